/** Parsers of /proc text. Pure. Source: proc(5), Documentation/filesystems/proc.rst (3.5 mountinfo), cgroups(7). */
import type { IdRange } from '@tsc-box/model';

/** By number: linux/capability.h. */
const CAPABILITY_NAMES =
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'.split(' ');

/** `000001fffeffffff` as `CAP_CHOWN`, … */
export function capabilityNames(mask: bigint): readonly string[] {
  return CAPABILITY_NAMES.filter((_name, bit) => ((mask >> BigInt(bit)) & 1n) === 1n).map((name) => `CAP_${name}`);
}

export interface MountLine {
  /** Directory of the file system that is mounted: not `/` in a bind mount or a cgroup namespace's parent. */
  readonly root: string;
  readonly mountpoint: string;
  readonly readOnly: boolean;
  readonly fstype: string;
  readonly superOptions: readonly string[];
}

const unescape = (text: string): string => text.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

export function parseMountinfo(text: string): readonly MountLine[] {
  const lines: MountLine[] = [];
  for (const line of text.split('\n')) {
    const split = line.indexOf(' - ');
    if (split < 0) continue;
    const [, , , root = '', mountpoint = '', options = ''] = line.slice(0, split).split(' ');
    const [fstype = '', , superOptions = ''] = line.slice(split + 3).split(' ');
    const flags = superOptions.split(',');
    lines.push({ root: unescape(root), mountpoint: unescape(mountpoint), readOnly: options.split(',').includes('ro') || flags.includes('ro'), fstype, superOptions: flags });
  }
  return lines;
}

/** /proc/self/cgroup: controller (`memory`, `name=systemd`; `` for v2) to our cgroup. */
export function parseOwnCgroups(text: string): ReadonlyMap<string, string> {
  const own = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (match === null) continue;
    for (const controller of (match[1] ?? '').split(',')) own.set(controller, match[2] ?? '/');
  }
  return own;
}

/** /proc/self/status: field to value. */
export function parseStatus(text: string): ReadonlyMap<string, string> {
  return new Map(text.split('\n').map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
}

/** /etc/subuid and /etc/subgid (subuid(5)): the ranges of a user, by name or number. */
export function parseSubIds(text: string, uid: number, username: string | undefined): readonly IdRange[] {
  const ranges: IdRange[] = [];
  for (const line of text.split('\n')) {
    const [who = '', start = '', count = ''] = line.trim().split(':');
    if ((who === username || who === String(uid)) && /^\d+$/.test(start) && /^\d+$/.test(count) && Number(count) > 0) ranges.push({ start: Number(start), count: Number(count) });
  }
  return ranges;
}

const LIMIT_NAMES: Readonly<Record<string, string>> = {
  'Max cpu time': 'RLIMIT_CPU', 'Max file size': 'RLIMIT_FSIZE', 'Max data size': 'RLIMIT_DATA', 'Max stack size': 'RLIMIT_STACK', 'Max core file size': 'RLIMIT_CORE', 'Max resident set': 'RLIMIT_RSS',
  'Max processes': 'RLIMIT_NPROC', 'Max open files': 'RLIMIT_NOFILE', 'Max locked memory': 'RLIMIT_MEMLOCK', 'Max address space': 'RLIMIT_AS', 'Max file locks': 'RLIMIT_LOCKS',
  'Max pending signals': 'RLIMIT_SIGPENDING', 'Max msgqueue size': 'RLIMIT_MSGQUEUE', 'Max nice priority': 'RLIMIT_NICE', 'Max realtime priority': 'RLIMIT_RTPRIO', 'Max realtime timeout': 'RLIMIT_RTTIME',
};

/** /proc/self/limits: hard limits that are not `unlimited`. */
export function parseHardLimits(text: string): Readonly<Record<string, number>> {
  const limits: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const name = LIMIT_NAMES[line.slice(0, 26).trim()];
    const hard = line.slice(26).trim().split(/\s+/)[1];
    if (name !== undefined && hard !== undefined && /^\d+$/.test(hard)) limits[name] = Number(hard);
  }
  return limits;
}
