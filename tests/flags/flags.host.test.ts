import { readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { RUN_FLAGS } from '../../packages/cli/src/args/run-flags.ts';
import { makeHome, refusal } from '../cli/command.ts';
import { missingCommand } from '../images/cache.ts';
import { copyBusyboxRoot, writeBundle } from '../cases/bundle.ts';
import { removeCgroups } from '../leaks/snapshot.ts';

const missing = missingCommand('busybox');
const why = refusal() ?? (missing === undefined ? undefined : `needs ${missing}`);
const v2 = why === undefined && readdirSync('/sys/fs/cgroup').includes('cgroup.controllers');
const files = (v1: string, unified: string): string => (v2 ? `/sys/fs/cgroup/${unified}` : `/sys/fs/cgroup/${v1}`);
const namespace = (name: string): string => readlinkSync(`/proc/self/ns/${name}`);
const same = (...names: readonly string[]): string => names.map((name) => `readlink /proc/self/ns/${name}`).join('; ');

/** A parent that was asked for stays: removed at the end. */
const PARENT = `of-flags-${String(process.pid)}`;

/** What a container with these flags prints, run by `sh -c`. */
interface Row {
  readonly flags: readonly string[];
  readonly script: string;
  readonly shown: string | RegExp;
}

const directory = why === undefined ? makeHome() : undefined;
const path = (name: string): string => join(directory?.directory ?? '', name);
if (directory !== undefined) {
  writeFileSync(path('volume'), 'volume\n');
  writeFileSync(path('env'), 'FILE=file\n');
}

const ROWS: readonly Row[] = [
  { flags: ['--hide', '/etc/passwd'], script: 'wc -c < /etc/passwd', shown: '0\n' },
  { flags: ['--read-only-path', '/tmp'], script: 'touch /tmp/made 2>/dev/null || echo refused', shown: 'refused\n' },
  {
    flags: ['--workdir', '/usr', '--user', '1:2', '--group-add', '77', '--umask', '0027', '--env', 'A=b', '--env-file', path('env'), '--hostname', 'boxed', '--domainname', 'example.org', '--add-host', 'db:10.1.2.3', '--dns', '192.0.2.53'],
    script: 'pwd; id -u; id -G; umask; echo $A $FILE; uname -n; cat /proc/sys/kernel/domainname; grep -c "^10.1.2.3.*db" /etc/hosts; cat /etc/resolv.conf', shown: '/usr\n1\n2 77\n0027\nb file\nboxed\nexample.org\n1\nnameserver 192.0.2.53\n',
  },
  {
    flags: ['--read-only', '--volume', `${path('volume')}:/etc/issue:ro`, '--mount', 'type=tmpfs,target=/opt', '--tmpfs', '/mnt:size=1m', '--shm-size', '2m', '--device', '/dev/null:/dev/other'],
    script: '(: >/made) 2>/dev/null || echo read-only; cat /etc/issue; (: >/etc/issue) 2>/dev/null || echo ro; touch /opt/x && echo opt; for d in /mnt /dev/shm; do df -k $d | tail -n 1 | tr -s " " | cut -d " " -f 2; done; test -c /dev/other && echo device', shown: 'read-only\nvolume\nro\nopt\n1024\n2048\ndevice\n',
  },
  {
    flags: ['--memory', '64m', '--memory-swap', '64m', '--memory-reservation', '32m', '--pids-limit', '33', '--cpus', '0.5', '--cpu-shares', '2048', '--cpuset-cpus', '0', '--cpuset-mems', '0', '--ulimit', 'nofile=50:60', '--oom-score-adj', '77'],
    script: `cat ${files('memory/memory.limit_in_bytes', 'memory.max')} ${files('memory/memory.soft_limit_in_bytes', 'memory.low')} ${files('pids/pids.max', 'pids.max')} ${files('cpuset/cpuset.cpus', 'cpuset.cpus')} ${files('cpuset/cpuset.mems', 'cpuset.mems')}; cat ${files('cpu/cpu.cfs_quota_us', 'cpu.max')}; ${v2 ? '' : 'cat /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes;'} ulimit -n; cat /proc/self/oom_score_adj`,
    shown: v2 ? '67108864\n33554432\n33\n0\n0\n50000 100000\n50\n77\n' : '67108864\n33554432\n33\n0\n0\n50000\n2048\n67108864\n50\n77\n',
  },
  { flags: ['--cpu-period', '50000', '--cpu-quota', '20000'], script: `cat ${v2 ? files('', 'cpu.max') : '/sys/fs/cgroup/cpu/cpu.cfs_period_us /sys/fs/cgroup/cpu/cpu.cfs_quota_us'}`, shown: v2 ? '20000 50000\n' : '50000\n20000\n' },
  { flags: ['--cgroupns', 'host', '--cgroup-parent', `/tsc-box/${PARENT}`], script: 'cat /proc/self/cgroup', shown: /:\/(?:.*\/)?tsc-box\/of-flags-\d+\/[0-9a-f]+$/m },
  { flags: ['--network', 'host', '--pid', 'host', '--ipc', 'host', '--uts', 'host'], script: same('net', 'pid', 'ipc', 'uts'), shown: ['net', 'pid', 'ipc', 'uts'].map((name) => (why === undefined ? `${namespace(name)}\n` : '')).join('') },
  { flags: ['--network', 'none'], script: 'ls /sys/class/net', shown: /^lo\n$/ },
  { flags: ['--userns', 'auto', '--time', 'private'], script: 'cat /proc/self/uid_map | tr -s " "; readlink /proc/self/ns/time', shown: new RegExp(`^ 0 0 1\\n(?:.*\\n)*(?!${why === undefined ? namespace('time').replace(/[[\]]/g, '\\$&') : ''})time:`) },
  { flags: ['--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN', '--security-opt', 'no-new-privileges', '--sysctl', 'net.ipv4.ip_forward=1'], script: 'grep -E "CapEff|NoNewPrivs" /proc/self/status; cat /proc/sys/net/ipv4/ip_forward', shown: 'CapEff:\t0000000000001000\nNoNewPrivs:\t1\n1\n' },
  { flags: ['--privileged'], script: 'grep -E "^Seccomp:" /proc/self/status; test -w /proc/sys/kernel/hostname && echo open', shown: 'Seccomp:\t0\nopen\n' },
  { flags: ['--no-pivot'], script: 'ls -d /proc/1; head -n 1 /proc/self/mountinfo | cut -d " " -f 5', shown: /^\/proc\/1\n/ },
];

/** How an image is got from a registry: these tests have none. */
const OF_REGISTRIES = ['pull', 'platform', 'plain-http'];

/** In tests of their own below. */
const SEEN_ELSEWHERE = ['name', 'rm', 'interactive', 'tty', 'init', 'entrypoint', 'label', 'stop-signal', 'rootfs', 'bundle'];

describe('every flag of run', () => {
  afterAll(() => {
    directory?.remove();
    removeCgroups(PARENT);
  });
  const title = (text: string): string => (why === undefined ? text : `${text} (${why})`);

  it.skipIf(why !== undefined).each(ROWS.map((row) => ({ ...row, names: row.flags.filter((flag) => flag.startsWith('--')).join(' ') })))('$names', ({ flags, script, shown }) => {
    const result = directory!.run(['run', '--rm', ...flags, 'host', 'sh', '-c', script]);
    expect(result).toMatchObject({ code: 0, stderr: '', stdout: typeof shown === 'string' ? shown : expect.stringMatching(shown) });
  });

  it.skipIf(why !== undefined)(title('--name --label --entrypoint --stop-signal: as the state has them; without --rm it stays, with it it goes'), () => {
    const result = directory!.run(['run', '--name', 'flagged', '--label', 'a=b', '--stop-signal', 'SIGUSR1', '--entrypoint', '/bin/echo', 'host', 'as', 'arguments']);
    expect(result).toMatchObject({ code: 0, stdout: 'as arguments\n', stderr: '' });
    expect(directory!.run(['run', '--rm', '--name', 'gone', 'host', 'true']).code).toBe(0);
    const states = readdirSync(directory!.store, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json') && !name.includes('upper')).map((name) => readFileSync(join(directory!.store, name), 'utf8')).join('\n');
    expect(states).toMatch(/"a":\s*"b"/);
    expect(states).toMatch(/"stopSignal":\s*10\b/);
    const listed = directory!.run(['ps', '-a']).stdout;
    expect(listed).toContain('flagged');
    expect(listed).not.toContain('gone');
    expect(directory!.run(['rm', 'flagged']).code).toBe(0);
  });

  it.skipIf(why !== undefined)(title('--interactive --tty --init: input arrives, there is a terminal, and process 1 is not the command'), () => {
    expect(directory!.run(['run', '--rm', '--interactive', 'host', 'cat'], { input: 'in\n' }).stdout).toBe('in\n');
    expect(directory!.run(['run', '--rm', '--tty', '--init', 'host', 'sh', '-c', 'test -t 1 && echo $$']).stdout).toMatch(/^(?:[2-9]|\d\d+)\r\n$/);
  });

  it.skipIf(why !== undefined)(title('--rootfs --bundle: their own files'), () => {
    expect(directory!.run(['run', '--rm', '--rootfs', copyBusyboxRoot(path('rootfs')), 'cat', '/etc/issue']).stdout).toBe('busybox root of the tests\n');
    expect(directory!.run(['run', '--rm', '--bundle', writeBundle(path('bundle'), 'cat /etc/issue')]).stdout).toBe('busybox root of the tests\n');
  });

  it('has a row here or a test of its own', () => {
    const shown = new Set([...ROWS.flatMap(({ flags }) => flags.filter((flag) => flag.startsWith('--')).map((flag) => flag.slice(2))), ...SEEN_ELSEWHERE, ...OF_REGISTRIES]);
    expect(RUN_FLAGS.map(({ long }) => long).filter((long) => !shown.has(long))).toEqual([]);
  });
});
