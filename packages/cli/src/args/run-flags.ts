/** Flags of `run`, `plan` and `check`, named as in docker-run(1). Keys are those of RunOptions; those of `REQUEST_KEYS` belong to the request. */
import type { Flag } from './flag.ts';

type Rest = Partial<Omit<Flag, 'long' | 'kind' | 'key' | 'help' | 'group'>>;
type Row = readonly [names: string, key: string, help: string, rest?: Rest & { readonly list?: boolean; readonly boolean?: boolean }];

/** `-m --memory` → short and long; a value's placeholder after `=`. */
function rows(group: string, table: readonly Row[]): Flag[] {
  return table.map(([names, key, help, { list = false, boolean = false, ...rest } = {}]) => {
    const words = names.split(' ');
    const short = words.find((word) => !word.startsWith('--'))?.slice(1);
    const [, long = '', value] = /^--([^=]+)(?:=(.*))?$/.exec(words.find((word) => word.startsWith('--')) ?? '') ?? [];
    return { long, key, help, group, kind: boolean ? 'boolean' : list ? 'list' : 'string', ...(short === undefined ? {} : { short }), ...(value === undefined ? {} : { value }), ...rest };
  });
}

const yes = { boolean: true } as const;
const many = { list: true } as const;

/** Keys that are not container options. */
export const REQUEST_KEYS: readonly string[] = ['remove', 'detach', 'detachKeys', 'restart', 'timeout', 'apply', 'discard', 'keep', 'rootfs', 'bundle', 'simulate', 'json', 'pull', 'platform', 'plainHttp', 'help', 'root', 'errorFormat', 'system', 'version'];

const CAPABILITIES = ['ALL', 'AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_ADMIN', 'NET_BIND_SERVICE', 'NET_RAW', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_ADMIN', 'SYS_CHROOT', 'SYS_NICE', 'SYS_PTRACE', 'SYS_TIME'];
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGKILL', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'];

export const RUN_FLAGS: readonly Flag[] = [
  ...rows('Container', [
    ['--name=NAME', 'name', 'Name of the container; a random one otherwise'],
    ['--pull=POLICY', 'pull', 'Fetch IMAGE from its registry: missing (the default), always or never', { choices: ['missing', 'always', 'never'] }],
    ['--platform=OS/ARCH', 'platform', 'Platform of IMAGE, such as linux/arm64'],
    ['--plain-http=HOST[:PORT]', 'plainHttp', 'Registry that may be spoken to without TLS', many],
    ['--rm', 'remove', 'Remove the container and what it wrote when it has ended', yes],
    ['-i --interactive', 'interactive', 'Give the command the standard input', yes],
    ['-t --tty', 'terminal', 'Give the command a terminal', yes],
    ['--init', 'init', 'Run a small init as process 1, which reaps and passes signals on', yes],
    ['--entrypoint=CMD', 'entrypoint', 'Run this in place of the image\'s entry point'],
    ['-w --workdir=DIR', 'workdir', 'Working directory inside the container'],
    ['-u --user=USER[:GROUP]', 'user', 'User and group, by name or number'],
    ['--group-add=GROUP', 'groupAdd', 'Supplementary group', many],
    ['--umask=MODE', 'umask', 'File mode mask, such as 0022'],
    ['-e --env=KEY[=VALUE]', 'env', 'Environment variable; without a value, that of the caller', many],
    ['--env-file=FILE', 'envFiles', 'File with one environment variable a line', { ...many, complete: 'file' }],
    ['-l --label=KEY[=VALUE]', 'labels', 'Label, kept in the container\'s state', many],
    ['--stop-signal=SIGNAL', 'stopSignal', 'Signal that asks the container to stop', { complete: SIGNALS }],
  ]),
  ...rows('Root and mounts', [
    ['--rootfs=DIR', 'rootfs', 'Use this directory as the root, in place of IMAGE', { complete: 'directory' }],
    ['--bundle=DIR', 'bundle', 'Run an OCI bundle: DIR/config.json, in place of IMAGE and options', { complete: 'directory' }],
    ['--read-only', 'readOnly', 'Mount the root read-only', yes],
    ['-v --volume=SRC:DST[:OPTS]', 'volumes', 'Bind mount; OPTS such as ro, rslave', { ...many, complete: 'file' }],
    ['--mount=SPEC', 'mounts', 'Mount: type=bind|tmpfs,source=…,target=…[,readonly]', many],
    ['--tmpfs=DST[:OPTS]', 'tmpfs', 'File system in memory, such as /tmp:size=64m', many],
    ['--shm-size=SIZE', 'shmSize', 'Size of /dev/shm, such as 64m'],
    ['--device=SRC[:DST[:PERM]]', 'devices', 'Show a device of the host', { ...many, complete: 'file' }],
    ['--no-pivot', 'noPivot', 'Switch the root by MS_MOVE and chroot, for initramfs roots', yes],
  ]),
  ...rows('Resources', [
    ['-m --memory=SIZE', 'memory', 'Memory limit, such as 64m'],
    ['--memory-swap=SIZE', 'memorySwap', 'Limit of memory and swap together; -1 for no limit of swap'],
    ['--memory-reservation=SIZE', 'memoryReservation', 'Memory that is reclaimed last'],
    ['--cpus=NUMBER', 'cpus', 'Number of processors, such as 1.5'],
    ['-c --cpu-shares=NUMBER', 'cpuShares', 'Weight among busy containers, 1024 by default'],
    ['--cpu-period=µs', 'cpuPeriod', 'Period of the processor limit, in microseconds'],
    ['--cpu-quota=µs', 'cpuQuota', 'Time within a period, in microseconds'],
    ['--cpuset-cpus=LIST', 'cpusetCpus', 'Processors to run on, such as 0-2,4'],
    ['--cpuset-mems=LIST', 'cpusetMems', 'Memory nodes to use'],
    ['--pids-limit=NUMBER', 'pidsLimit', 'Number of processes and threads; -1 for no limit'],
    ['--ulimit=NAME=SOFT[:HARD]', 'ulimits', 'Limit of the process, such as nofile=1024:2048', many],
    ['--oom-score-adj=NUMBER', 'oomScoreAdj', 'How early the kernel kills it when memory is short, -1000 to 1000'],
    ['--cgroup-parent=PATH', 'cgroupParent', 'Control group under which the container\'s own is made'],
  ]),
  ...rows('Network and names', [
    ['--network=MODE', 'network', 'none (loopback only), host, or ns:PATH', { aliases: ['net'], complete: ['none', 'host', 'ns:'] }],
    ['-h --hostname=NAME', 'hostname', 'Host name; the short id otherwise'],
    ['--domainname=NAME', 'domainname', 'NIS domain name'],
    ['--add-host=NAME:IP', 'addHosts', 'Line of /etc/hosts', many],
    ['--dns=IP', 'dns', 'Name server of /etc/resolv.conf', many],
  ]),
  ...rows('Namespaces', [
    ['--userns=MODE', 'userns', 'User namespace: auto, host, or ns:PATH', { complete: ['auto', 'host', 'ns:'] }],
    ['--pid=MODE', 'pid', 'Process ids: host, or ns:PATH', { complete: ['host', 'ns:'] }],
    ['--ipc=MODE', 'ipc', 'System V IPC: private, host, or ns:PATH', { complete: ['private', 'host', 'ns:'] }],
    ['--uts=MODE', 'uts', 'Host name: host, or ns:PATH', { complete: ['host', 'ns:'] }],
    ['--cgroupns=MODE', 'cgroupns', 'Control groups: private, host, or ns:PATH', { complete: ['private', 'host', 'ns:'] }],
    ['--time=MODE', 'time', 'Clocks: host (the default) or private', { choices: ['private', 'host'] }],
  ]),
  ...rows('Security', [
    ['--privileged', 'privileged', 'All capabilities, no seccomp filter, nothing masked', yes],
    ['--cap-add=CAP', 'capAdd', 'Add a capability, such as NET_ADMIN, or ALL', { ...many, complete: CAPABILITIES }],
    ['--cap-drop=CAP', 'capDrop', 'Drop a capability, or ALL', { ...many, complete: CAPABILITIES }],
    ['--security-opt=OPT', 'securityOpt', 'no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined', { ...many, complete: ['no-new-privileges', 'seccomp=unconfined', 'systempaths=unconfined'] }],
    ['--hide=PATH', 'hiddenPaths', 'Show an empty directory or file in place of this one; nothing happens where there is none', { ...many, complete: 'file' }],
    ['--read-only-path=PATH', 'readOnlyPaths', 'Let nobody write there, nor below; nothing happens where there is none', { ...many, complete: 'file' }],
    ['--sysctl=KEY=VALUE', 'sysctls', 'Kernel parameter of the container\'s own namespaces', many],
  ]),
];

/** Where `tsc-box` finds its things and how it speaks: allowed before the command and among its flags. */
export const GLOBAL_FLAGS: readonly Flag[] = rows('Global', [
  ['--root=DIR', 'root', 'Directory of images and containers', { complete: 'directory' }],
  ['--system=NAME', 'system', 'Kernel to use: linux or sim (TSC_BOX_SYSTEM)', { choices: ['linux', 'sim'] }],
  ['--error-format=FORMAT', 'errorFormat', 'Errors and warnings as text or json', { choices: ['text', 'json'] }],
  ['--help', 'help', 'Show this help', yes],
]);

/** Of commands that leave a container behind. */
export const RESTART_FLAG: readonly Flag[] = rows('Container', [
  ['--restart=POLICY', 'restart', 'Start it again when it has ended: no, on-failure[:MAX], always, unless-stopped', { complete: ['no', 'on-failure', 'always', 'unless-stopped'] }],
]);

export const DETACH_FLAGS: readonly Flag[] = [
  ...rows('Container', [['-d --detach', 'detach', 'Leave it running and print its id', yes]]), ...RESTART_FLAG,
];

export const DETACH_KEYS_FLAG: readonly Flag[] = rows('Streams', [
  ['--detach-keys=KEYS', 'detachKeys', 'Keys that leave it: letters or ctrl-LETTER, with commas between; ctrl-p,ctrl-q by default'],
]);

export const SIMULATE_FLAG: readonly Flag[] = rows('Container', [['--simulate', 'simulate', 'Run on the simulated kernel: same as --system sim', yes]]);

export function flag(group: string, names: string, key: string, help: string, rest: Row[3] = {}): Flag {
  const [only] = rows(group, [[names, key, help, rest]]);
  if (only === undefined) throw new Error('unreachable: one row gives one flag');
  return only;
}

/** Options of docker run that tsc-box lacks: told apart from typing mistakes. */
export const DOCKER_ONLY: readonly string[] = [
  'annotation', 'attach', 'blkio-weight', 'blkio-weight-device', 'cgroup-rule', 'cidfile', 'cpu-rt-period', 'cpu-rt-runtime', 'device-cgroup-rule', 'device-read-bps', 'device-read-iops',
  'device-write-bps', 'device-write-iops', 'disable-content-trust', 'dns-option', 'dns-search', 'expose', 'gpus', 'health-cmd', 'health-interval', 'health-retries', 'health-start-period', 'health-timeout', 'ip',
  'ip6', 'isolation', 'kernel-memory', 'label-file', 'link', 'link-local-ip', 'log-driver', 'log-opt', 'mac-address', 'memory-swappiness', 'network-alias', 'no-healthcheck', 'oom-kill-disable',
  'publish', 'publish-all', 'quiet', 'runtime', 'sig-proxy', 'stop-timeout', 'storage-opt', 'use-api-socket', 'volume-driver', 'volumes-from',
];
export const DOCKER_ONLY_SHORT: Readonly<Record<string, string>> = { a: 'attach', p: 'publish', P: 'publish-all', q: 'quiet' };
