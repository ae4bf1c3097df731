/** /proc/PID: proc(5), proc_pid_status(5), proc_pid_stat(5), proc_pid_mountinfo(5), user_namespaces(7). */
import { EINVAL, EPERM, ESRCH, ENOENT, EACCES, ERANGE } from '../abi/errno.ts';
import { SECOND } from '../det/clock.ts';
import { cgroupPath } from '../kernel/cgroup/tree.ts';
import { CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_SYS_RESOURCE, capable, idIn, makeId, shownId, type IdMap } from '../kernel/cred.ts';
import type { Namespace, TimeNamespace } from '../kernel/nsproxy.ts';
import { numberIn, type PidNamespace } from '../kernel/pidns.ts';
import type { Task } from '../kernel/types.ts';
import { attributeText, subtree, type Position } from './mount.ts';
import { pathOf } from './path.ts';
import { fixed, textFile, type PseudoNode } from './pseudo.ts';

const STATES = { runnable: ['R', 'running'], sleeping: ['S', 'sleeping'], stopped: ['T', 'stopped'], zombie: ['Z', 'zombie'], dead: ['X', 'dead'] } as const;
const hex = (set: bigint): string => set.toString(16).padStart(16, '0');
const mask = (signals: Iterable<number>): string => hex([...signals].reduce((bits, signal) => bits | (1n << BigInt(signal - 1)), 0n));

function status(task: Task, ns: PidNamespace, viewer: Task): string {
  const { cred } = task;
  const users = viewer.cred.user;
  const uid = (id: number): string => String(shownId(users.uidMap, id));
  const gid = (id: number): string => String(shownId(users.gidMap, id));
  const [letter, word] = STATES[task.state];
  const numbers = task.pid.numbers.slice(ns.level);
  const handled = [...task.actions].filter(([, { handler }]) => typeof handler === 'function').map(([signal]) => signal);
  const ignored = [...task.actions].filter(([, { handler }]) => handler === 'SIG_IGN').map(([signal]) => signal);
  const rows: readonly (readonly [string, string])[] = [
    ['Name', task.comm], ['Umask', `0${task.fs.umask.toString(8).padStart(3, '0')}`], ['State', `${letter} (${word})`], ['Tgid', String(numberIn(task.pid, ns))], ['Ngid', '0'], ['Pid', String(numberIn(task.pid, ns))],
    ['PPid', String(task.parent === undefined ? 0 : numberIn(task.parent.pid, ns))], ['TracerPid', '0'], ['Uid', [cred.ruid, cred.euid, cred.suid, cred.euid].map(uid).join('\t')], ['Gid', [cred.rgid, cred.egid, cred.sgid, cred.egid].map(gid).join('\t')],
    ['FDSize', '64'], ['Groups', `${cred.groups.map(gid).join(' ')} `], ['NStgid', numbers.join('\t')], ['NSpid', numbers.join('\t')], ['NSpgid', task.group.numbers.slice(ns.level).join('\t')], ['NSsid', task.session.numbers.slice(ns.level).join('\t')],
    ['VmPeak', kb(task.memoryPeak)], ['VmSize', kb(task.memory)], ['VmHWM', kb(task.memoryPeak)], ['VmRSS', kb(task.memory)], ['Threads', '1'], ['SigPnd', mask(task.pending)], ['ShdPnd', mask([])], ['SigBlk', mask(task.blocked)], ['SigIgn', mask(ignored)], ['SigCgt', mask(handled)],
    ['CapInh', hex(cred.inheritable)], ['CapPrm', hex(cred.permitted)], ['CapEff', hex(cred.effective)], ['CapBnd', hex(cred.bounding)], ['CapAmb', hex(cred.ambient)], ['NoNewPrivs', cred.noNewPrivs ? '1' : '0'], ['Seccomp', '0'],
    ['Cpus_allowed_list', task.affinity.join(',')], ['Mems_allowed_list', '0'],
  ];
  return rows.map(([name, value]) => `${name}:\t${value}\n`).join('');
}

const kb = (bytes: number): string => `${String(Math.floor(bytes / 1024)).padStart(8)} kB`;
/** USER_HZ. */
const ticks = (ns: number): number => Math.floor((ns * 100) / SECOND);

function stat(task: Task, ns: PidNamespace): string {
  const [letter] = STATES[task.state];
  const tty = task.terminal === undefined ? 0 : (136 << 8) | task.terminal.number;
  const ppid = task.parent === undefined ? 0 : numberIn(task.parent.pid, ns);
  const foreground = task.terminal?.foreground === undefined ? -1 : numberIn(task.terminal.foreground, ns);
  const head = [numberIn(task.pid, ns), `(${task.comm})`, letter, ppid, numberIn(task.group, ns), numberIn(task.session, ns), tty, foreground, 0, 0, 0, 0, 0];
  const times = [ticks(task.cpuTime), 0, ticks(task.childCpuTime), 0, 20 + task.nice, task.nice, 1, 0, ticks(task.startTime), task.memory, Math.floor(task.memory / 4096)];
  return `${[...head, ...times, ...Array.from({ length: 28 }, () => 0)].join(' ')}\n`;
}

const octal = (text: string): string => text.replace(/[\\ \t\n]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
const device = (dev: number): string => `${String(dev >>> 20)}:${String(dev & 0xfffff)}`;

/** Mounts that the task's root can reach. */
export function mountinfo(task: Task): string {
  let text = '';
  for (const mount of subtree(task.ns.mnt.root)) {
    const path = pathOf({ mount, node: mount.root }, task.fs.root);
    if (path === undefined) continue;
    const { fs } = mount;
    const tags = [...(mount.group === 0 ? [] : [`shared:${String(mount.group)}`]), ...(mount.master === 0 ? [] : [`master:${String(mount.master)}`]), ...(mount.unbindable ? ['unbindable'] : [])];
    const root = mount.root === fs.root ? '/' : rootName(fs, mount.root);
    const superOptions = `${fs.readOnly ? 'ro' : 'rw'}${fs.options === '' ? '' : `,${fs.options}`}`;
    text += `${[mount.id, mount.parent?.id ?? mount.id, device(fs.dev), octal(root), octal(path), attributeText(mount), ...tags, '-', fs.type, octal(fs.source === '' ? 'none' : fs.source), superOptions].join(' ')}\n`;
  }
  return text;
}

function rootName(fs: Position['mount']['fs'], node: number): string {
  if (fs.type === 'nsfs') return fs.name(node);
  const names: string[] = [];
  for (let at = node; at !== fs.root && at > 0; at = fs.parent(at)) names.unshift(fs.name(at));
  return `/${names.join('/')}`;
}

export function mounts(task: Task): string {
  let text = '';
  for (const mount of subtree(task.ns.mnt.root)) {
    const path = pathOf({ mount, node: mount.root }, task.fs.root);
    if (path === undefined) continue;
    const { fs } = mount;
    text += `${octal(fs.source === '' ? 'none' : fs.source)} ${octal(path)} ${fs.type} ${attributeText(mount)}${fs.options === '' ? '' : `,${fs.options}`} 0 0\n`;
  }
  return text;
}

function cgroups(task: Task, viewer: Task): string {
  return task.kernel.hierarchies.map(({ version, controllers }, index) => {
    const cgroup = task.cgroups[index];
    const path = cgroup === undefined ? '/' : cgroupPath(cgroup, viewer.ns.cgroup.roots[index]);
    return version === 2 ? `0::${path}\n` : `${String(index + 1)}:${controllers.join(',')}:${path}\n`;
  }).reverse().join('');
}

const LIMITS = [
  ['Max cpu time', 'seconds'], ['Max file size', 'bytes'], ['Max data size', 'bytes'], ['Max stack size', 'bytes'], ['Max core file size', 'bytes'], ['Max resident set', 'bytes'], ['Max processes', 'processes'], ['Max open files', 'files'],
  ['Max locked memory', 'bytes'], ['Max address space', 'bytes'], ['Max file locks', 'locks'], ['Max pending signals', 'signals'], ['Max msgqueue size', 'bytes'], ['Max nice priority', ''], ['Max realtime priority', ''], ['Max realtime timeout', 'us'],
] as const;

function limits(task: Task): string {
  const value = (limit: number | undefined): string => (limit === undefined || limit === Infinity ? 'unlimited' : String(limit)).padEnd(20);
  const head = `${'Limit'.padEnd(25)} ${'Soft Limit'.padEnd(20)} ${'Hard Limit'.padEnd(20)} Units     \n`;
  return head + LIMITS.map(([name, unit], index) => `${name.padEnd(25)} ${value(task.rlimits[index]?.soft)} ${value(task.rlimits[index]?.hard)} ${unit.padEnd(10)}\n`).join('');
}

function mapText(map: readonly IdMap[], viewer: readonly IdMap[]): string {
  return map.map(({ inside, outside, count }) => `${String(inside).padStart(10)} ${String(Math.max(0, idIn(viewer, outside))).padStart(10)} ${String(count).padStart(10)}\n`).join('');
}

/** user_namespaces(7), "Defining user and group ID mappings". */
export function writeIdMap(task: Task, kind: 'uid' | 'gid', text: string, writer: Task): number {
  const { user } = task.cred;
  const key = kind === 'uid' ? 'uidMap' : 'gidMap';
  const parent = user.parent;
  if (parent === undefined || user[key].length > 0) return -EPERM;
  if (!capable(writer.cred, CAP_SYS_ADMIN, user)) return -EPERM;
  const rows: IdMap[] = [];
  for (const line of text.split('\n').filter((row) => row.trim() !== '')) {
    const [inside = Number.NaN, outer = Number.NaN, count = Number.NaN] = line.trim().split(/\s+/).map(Number);
    if (!(inside >= 0 && outer >= 0 && count > 0)) return -EINVAL;
    const outside = makeId(parent[key], outer);
    if (outside < 0) return -EPERM;
    rows.push({ inside, outside, count });
  }
  if (rows.length === 0 || rows.length > 340) return -EINVAL;
  const own = kind === 'uid' ? writer.cred.euid : writer.cred.egid;
  const single = rows.length === 1 && rows[0]?.count === 1 && rows[0].outside === own && (kind === 'uid' || user.setgroups === 'deny');
  if (!single && !capable(writer.cred, kind === 'uid' ? CAP_SETUID : CAP_SETGID, parent)) return -EPERM;
  user[key] = rows;
  return 0;
}

function writeSetgroups(task: Task, text: string, writer: Task): number {
  const { user } = task.cred;
  const word = text.trim();
  if (word !== 'allow' && word !== 'deny') return -EINVAL;
  if (!capable(writer.cred, CAP_SYS_ADMIN, user) || (word === 'deny' && user.gidMap.length > 0) || (word === 'allow' && user.setgroups === 'deny')) return -EPERM;
  user.setgroups = word;
  return 0;
}

function writeOomScore(task: Task, text: string, writer: Task): number {
  const value = Number(text.trim());
  if (!Number.isInteger(value) || value < -1000 || value > 1000) return -EINVAL;
  if (value < task.oomScoreAdj && !capable(writer.cred, CAP_SYS_RESOURCE, writer.kernel.initialUser)) return -EACCES;
  task.oomScoreAdj = value;
  return 0;
}

/** time_namespaces(7), "/proc/PID/timens_offsets": before the first process is in it. */
function writeTimeOffsets(task: Task, text: string): number {
  const ns = task.ns.timeForChildren;
  if (ns.entered) return -EACCES;
  for (const line of text.split('\n').filter((row) => row !== '')) {
    const [clock = '', seconds = '', nanoseconds = ''] = line.trim().split(/\s+/);
    const offset = Number(seconds) * SECOND + Number(nanoseconds);
    if (!Number.isFinite(offset) || !/^(monotonic|boottime|1|7)$/.test(clock)) return -EINVAL;
    if (task.kernel.clock.now + offset < 0) return -ERANGE;
    ns[clock === 'monotonic' || clock === '1' ? 'monotonic' : 'boottime'] = offset;
  }
  return 0;
}

const timeText = ({ monotonic, boottime }: TimeNamespace): string => [['monotonic', monotonic], ['boottime', boottime]].map(([name, offset]) => `${String(name).padEnd(10)} ${String(Math.floor(Number(offset) / SECOND)).padStart(10)} ${String(Number(offset) % SECOND).padStart(9)}\n`).join('');

/** ptrace(2), "Ptrace access mode checking", PTRACE_MODE_READ. */
function mayLook(viewer: Task, task: Task): boolean {
  const [a, b] = [viewer.cred, task.cred];
  return viewer === task || (a.euid === b.ruid && a.euid === b.euid && a.euid === b.suid && (b.permitted & ~a.permitted) === 0n) || capable(a, CAP_SYS_PTRACE, b.user);
}

function magic(task: Task, place: (task: Task) => Position | undefined): PseudoNode {
  const allowed = (viewer: Task): number => (!mayLook(viewer, task) ? -EACCES : task.state === 'zombie' ? -ENOENT : 0);
  return {
    kind: 'link',
    target(viewer) {
      const refused = allowed(viewer);
      const position = place(task);
      if (refused < 0 || position === undefined) return refused < 0 ? refused : -ENOENT;
      return pathOf(position, viewer.fs.root) ?? '/';
    },
    follow(viewer) {
      const refused = allowed(viewer);
      return refused < 0 ? refused : (place(task) ?? -ENOENT);
    },
  };
}

const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'pid_for_children', 'time', 'time_for_children', 'user', 'uts'] as const;

function namespaceOf(task: Task, name: (typeof NAMESPACES)[number]): Namespace {
  switch (name) {
    case 'user': return task.cred.user;
    case 'pid_for_children': return task.ns.pidForChildren;
    case 'time_for_children': return task.ns.timeForChildren;
    case 'cgroup': case 'ipc': case 'mnt': case 'net': case 'pid': case 'time': case 'uts': return task.ns[name];
  }
}

function namespaceLink(task: Task, name: (typeof NAMESPACES)[number]): PseudoNode {
  const text = (): string => {
    const ns = namespaceOf(task, name);
    return `${ns.kind}:[${String(ns.id)}]`;
  };
  return {
    kind: 'link', target: text,
    follow(viewer) {
      if (!mayLook(viewer, task)) return -EACCES;
      const { nsfs } = task.kernel;
      nsfs.namespaces.set(text(), namespaceOf(task, name));
      return { mount: nsfs.mount, node: nsfs.mount.fs.lookup(nsfs.mount.root, text(), viewer) };
    },
  };
}

function descriptors(task: Task): PseudoNode {
  const names = (): string[] => task.files.slots.flatMap((slot, fd) => (slot === undefined ? [] : [String(fd)]));
  return {
    kind: 'directory', mode: 0o500, list: names, uid: task.cred.euid, gid: task.cred.egid,
    child(name) {
      const file = /^\d+$/.test(name) ? task.files.slots[Number(name)]?.file : undefined;
      if (file === undefined) return undefined;
      return {
        kind: 'link', target: (viewer) => (file.at === undefined ? file.label : (pathOf(file.at, viewer.fs.root) ?? '/')),
        follow: (viewer) => (!mayLook(viewer, task) ? -EACCES : (file.at ?? task.kernel.nsfs.standIn(file, viewer))),
      };
    },
  };
}

/** One process's directory. It is made for each look, as the task changes. */
export function taskDirectory(task: Task, ns: PidNamespace): PseudoNode {
  const live = (read: (viewer: Task) => string | number) => (viewer: Task): string | number => (task.state === 'dead' ? -ESRCH : read(viewer));
  const file = (read: (viewer: Task) => string | number, write?: (text: string, viewer: Task) => number): PseudoNode => textFile(live(read), write);
  return fixed({
    cgroup: file((viewer) => cgroups(task, viewer)),
    cmdline: file(() => task.argv.map((word) => `${word}\0`).join('')),
    comm: file(() => `${task.comm}\n`, (text) => { task.comm = text.replace(/\n$/, '').slice(0, 15); return 0; }),
    cwd: magic(task, ({ fs }) => fs.cwd),
    environ: { kind: 'file', mode: 0o400, uid: task.cred.euid, gid: task.cred.egid, read: live((viewer) => (mayLook(viewer, task) ? task.env.map((word) => `${word}\0`).join('') : -EACCES)) },
    exe: magic(task, ({ exe }) => exe),
    fd: descriptors(task),
    gid_map: file((viewer) => mapText(task.cred.user.gidMap, viewer.cred.user.gidMap), (text, writer) => writeIdMap(task, 'gid', text, writer)),
    limits: file(() => limits(task)),
    mountinfo: file(() => mountinfo(task)),
    mounts: file(() => mounts(task)),
    ns: { kind: 'directory', mode: 0o511, list: () => NAMESPACES, child: (name) => { const found = NAMESPACES.find((known) => known === name); return found === undefined ? undefined : namespaceLink(task, found); } },
    oom_score_adj: file(() => `${String(task.oomScoreAdj)}\n`, (text, writer) => writeOomScore(task, text, writer)),
    root: magic(task, ({ fs }) => fs.root),
    setgroups: file(() => `${task.cred.user.setgroups}\n`, (text, writer) => writeSetgroups(task, text, writer)),
    stat: file(() => stat(task, ns)),
    statm: file(() => `${[task.memory, task.memory].map((bytes) => Math.floor(bytes / 4096)).join(' ')} 0 0 0 0 0\n`),
    status: file((viewer) => status(task, ns, viewer)),
    timens_offsets: file(() => timeText(task.ns.timeForChildren), (text) => writeTimeOffsets(task, text)),
    uid_map: file((viewer) => mapText(task.cred.user.uidMap, viewer.cred.user.uidMap), (text, writer) => writeIdMap(task, 'uid', text, writer)),
  });
}
