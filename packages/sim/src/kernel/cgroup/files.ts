/** The files of a cgroup's directory, with the text that the kernel gives and takes. cgroup-v2.rst; cgroup-v1/*.rst. */
import { SIGKILL } from '../../abi/constants.ts';
import { findTask, numberIn } from '../pidns.ts';
import { sendSignal } from '../signal.ts';
import type { Task } from '../types.ts';
import { EBUSY, EINVAL, ERANGE, ESRCH } from './errors.ts';
import { setFrozen } from './freezer.ts';
import { controllersOf, isFrozenAt, isPopulated, moveTask, tasksBelow, writeSubtree, type Cgroup } from './tree.ts';

export interface CgroupFile {
  /** `''`: of the core, in each directory. */
  readonly controller: string;
  /** Also in the root. */
  readonly root: boolean;
  readonly read?: (cgroup: Cgroup, task: Task) => string;
  /** 0, or a negative error number. */
  readonly write?: (cgroup: Cgroup, text: string, task: Task) => number;
}

const lines = (...rows: readonly (readonly [string, number])[]): string => rows.map(([name, value]) => `${name} ${String(value)}\n`).join('');
const maxText = (value: number): string => (value === Infinity ? 'max\n' : `${String(value)}\n`);
const PAGE = 4096;

/** A whole number of at least `least`, `max` where it is allowed; undefined for what it is not. */
function number(text: string, least: number, most: number, max: boolean): number | undefined {
  const word = text.trim();
  if (max && word === 'max') return Infinity;
  if (!/^-?\d+$/.test(word)) return undefined;
  const value = Number(word);
  return value >= least && value <= most ? value : undefined;
}

function setting<K extends string>(of: (cgroup: Cgroup) => Record<K, number>, key: K, options: { readonly max?: boolean; readonly least?: number; readonly most?: number; readonly pages?: boolean } = {}): Pick<CgroupFile, 'read' | 'write'> {
  return {
    read: (cgroup) => maxText(of(cgroup)[key]),
    write(cgroup, text) {
      const value = number(text, options.least ?? 0, options.most ?? Number.MAX_SAFE_INTEGER, options.max === true);
      if (value === undefined) return Number.isFinite(Number(text.trim())) && text.trim() !== '' ? -ERANGE : -EINVAL;
      of(cgroup)[key] = options.pages === true && value !== Infinity ? Math.floor(value / PAGE) * PAGE : value;
      return 0;
    },
  };
}

function writeProcs(cgroup: Cgroup, text: string, task: Task): number {
  const pid = number(text, 0, 2 ** 31, false);
  if (pid === undefined) return -EINVAL;
  const target = pid === 0 ? task : findTask(task.ns.pid, pid);
  return target === undefined ? -ESRCH : moveTask(target, cgroup);
}

const PROCS: CgroupFile = {
  controller: '', root: true, write: writeProcs,
  read: (cgroup, task) => [...cgroup.tasks].map(({ pid }) => numberIn(pid, task.ns.pid)).sort((a, b) => a - b).map((pid) => `${String(pid)}\n`).join(''),
};

const cpu = ({ cpu: state }: Cgroup): Cgroup['cpu'] => state;
const memory = ({ memory: state }: Cgroup): Cgroup['memory'] => state;
const us = (ns: number): number => Math.floor(ns / 1000);

function cpuset(key: 'cpus' | 'mems'): Pick<CgroupFile, 'read' | 'write'> {
  return {
    read: (cgroup) => `${cgroup[key]}\n`,
    write(cgroup, text, task) {
      const list = parseList(text.trim(), key === 'cpus' ? task.kernel.machine.cpus : 1);
      if (list === undefined) return -EINVAL;
      cgroup[key] = text.trim();
      if (key === 'cpus' && list.length > 0) for (const member of tasksBelow(cgroup)) member.affinity = list;
      return 0;
    },
  };
}

/** `0-1,3` (cpuset(7), "List format"), undefined for what is out of range. */
export function parseList(text: string, count: number): number[] | undefined {
  if (text === '') return [];
  const found: number[] = [];
  for (const part of text.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match === null) return undefined;
    const last = Number(match[2] ?? match[1]);
    for (let value = Number(match[1]); value <= last; value += 1) {
      if (value >= count) return undefined;
      found.push(value);
    }
  }
  return found;
}

const effective = (key: 'cpus' | 'mems') => (cgroup: Cgroup, task: Task): string => {
  for (let at: Cgroup | undefined = cgroup; at !== undefined; at = at.parent) if (at[key] !== '') return `${at[key]}\n`;
  const last = key === 'cpus' ? task.kernel.machine.cpus - 1 : 0;
  return last === 0 ? '0\n' : `0-${String(last)}\n`;
};

function writeCpuMax(cgroup: Cgroup, text: string): number {
  const [quotaText = '', periodText] = text.trim().split(/\s+/);
  const quota = number(quotaText, 1000, Number.MAX_SAFE_INTEGER, true);
  const period = periodText === undefined ? cgroup.cpu.period : number(periodText, 1000, 1_000_000, false);
  if (quota === undefined || period === undefined) return -EINVAL;
  cgroup.cpu.quota = quota;
  cgroup.cpu.period = period;
  cgroup.cpu.periodEnd = 0;
  return 0;
}

function writeIoMax(cgroup: Cgroup, text: string): number {
  const [device = '', ...pairs] = text.trim().split(/\s+/);
  if (!/^\d+:\d+$/.test(device) || !pairs.every((pair) => /^(rbps|wbps|riops|wiops)=(\d+|max)$/.test(pair))) return -EINVAL;
  const values = new Map([['rbps', 'max'], ['wbps', 'max'], ['riops', 'max'], ['wiops', 'max']]);
  for (const pair of [...(cgroup.io.max.get(device) ?? '').split(' '), ...pairs]) {
    const [key = '', value = ''] = pair.split('=');
    if (values.has(key)) values.set(key, value);
  }
  cgroup.io.max.set(device, [...values].map(([key, value]) => `${key}=${value}`).join(' '));
  return 0;
}

function freezeFile(read: (cgroup: Cgroup) => string, on: string, off: string): Pick<CgroupFile, 'read' | 'write'> {
  return {
    read,
    write(cgroup, text) {
      const word = text.trim();
      if (word !== on && word !== off) return -EINVAL;
      setFrozen(cgroup, word === on);
      return 0;
    },
  };
}

const V2: Readonly<Record<string, CgroupFile>> = {
  'cgroup.procs': PROCS,
  'cgroup.threads': PROCS,
  'cgroup.controllers': { controller: '', root: true, read: (cgroup) => `${controllersOf(cgroup).join(' ')}\n` },
  'cgroup.subtree_control': { controller: '', root: true, read: (cgroup) => `${[...cgroup.subtree].join(' ')}\n`, write: writeSubtree },
  'cgroup.type': { controller: '', root: false, read: () => 'domain\n' },
  'cgroup.events': { controller: '', root: false, read: (cgroup) => lines(['populated', isPopulated(cgroup) ? 1 : 0], ['frozen', isFrozenAt(cgroup) ? 1 : 0]) },
  'cgroup.freeze': { controller: '', root: false, ...freezeFile((cgroup) => `${cgroup.freeze ? '1' : '0'}\n`, '1', '0') },
  'cgroup.kill': {
    controller: '', root: false,
    write(cgroup, text) {
      if (text.trim() !== '1') return -ERANGE;
      for (const task of tasksBelow(cgroup)) {
        task.pending.add(SIGKILL);
        sendSignal(task, SIGKILL, undefined);
        if (task.state === 'sleeping') {
          task.state = 'runnable';
          task.kernel.runnable.push(task);
        }
      }
      return 0;
    },
  },
  'cpu.weight': { controller: 'cpu', root: false, ...setting(cpu, 'weight', { least: 1, most: 10_000 }) },
  'cpu.idle': { controller: 'cpu', root: false, ...setting(cpu, 'idle', { most: 1 }) },
  'cpu.max': { controller: 'cpu', root: false, read: ({ cpu: { quota, period } }) => `${quota === Infinity ? 'max' : String(quota)} ${String(period)}\n`, write: writeCpuMax },
  'cpu.max.burst': { controller: 'cpu', root: false, ...setting(cpu, 'burst') },
  'cpu.stat': {
    controller: '', root: true,
    read: ({ cpu: state }) => lines(['usage_usec', us(state.usage)], ['user_usec', us(state.usage)], ['system_usec', 0], ['nr_periods', state.periods], ['nr_throttled', state.throttledPeriods], ['throttled_usec', us(state.throttledTime)]),
  },
  'cpuset.cpus': { controller: 'cpuset', root: false, ...cpuset('cpus') },
  'cpuset.mems': { controller: 'cpuset', root: false, ...cpuset('mems') },
  'cpuset.cpus.effective': { controller: 'cpuset', root: true, read: effective('cpus') },
  'cpuset.mems.effective': { controller: 'cpuset', root: true, read: effective('mems') },
  'memory.current': { controller: 'memory', root: false, read: ({ memory: state }) => `${String(state.usage)}\n` },
  'memory.peak': { controller: 'memory', root: false, read: ({ memory: state }) => `${String(state.peak)}\n` },
  'memory.max': { controller: 'memory', root: false, ...setting(memory, 'max', { max: true, pages: true }) },
  'memory.high': { controller: 'memory', root: false, ...setting(memory, 'high', { max: true, pages: true }) },
  'memory.low': { controller: 'memory', root: false, ...setting(memory, 'low', { max: true, pages: true }) },
  'memory.min': { controller: 'memory', root: false, ...setting(memory, 'min', { max: true, pages: true }) },
  'memory.oom.group': { controller: 'memory', root: false, read: ({ memory: { oomGroup } }) => `${oomGroup ? '1' : '0'}\n`, write: ({ memory: state }, text) => setFlag(text, (on) => { state.oomGroup = on; }) },
  'memory.events': {
    controller: 'memory', root: false,
    read: ({ memory: { events } }) => lines(['low', 0], ['high', events.high], ['max', events.max], ['oom', events.oom], ['oom_kill', events.oomKill], ['oom_group_kill', events.groupKill]),
  },
  'memory.stat': { controller: 'memory', root: true, read: ({ memory: state }) => lines(['anon', state.usage], ['file', 0], ['kernel', 0]) },
  'pids.current': { controller: 'pids', root: false, read: ({ pids }) => `${String(pids.current)}\n` },
  'pids.peak': { controller: 'pids', root: false, read: ({ pids }) => `${String(pids.peak)}\n` },
  'pids.max': { controller: 'pids', root: false, ...setting(({ pids }) => pids, 'max', { max: true }) },
  'pids.events': { controller: 'pids', root: false, read: ({ pids }) => lines(['max', pids.failures]) },
  'io.max': { controller: 'io', root: false, read: ({ io }) => [...io.max].map(([device, text]) => `${device} ${text}\n`).join(''), write: writeIoMax },
  'io.weight': { controller: 'io', root: false, read: ({ io }) => `default ${String(io.weight)}\n`, write: ({ io }, text) => setNumber(text.replace(/^default\s+/, ''), 1, 10_000, (value) => { io.weight = value; }) },
  'io.stat': { controller: 'io', root: true, read: () => '' },
};

function setFlag(text: string, set: (on: boolean) => void): number {
  return setNumber(text, 0, 1, (value) => { set(value === 1); });
}

function setNumber(text: string, least: number, most: number, set: (value: number) => void): number {
  const value = number(text, least, most, false);
  if (value === undefined) return -EINVAL;
  set(value);
  return 0;
}

/** v1 writes -1 for no limit, and shows the largest number of whole pages for it. */
const V1_MAX = '9223372036854771712\n';

function limitV1(key: 'max' | 'low'): Pick<CgroupFile, 'read' | 'write'> {
  return {
    read: ({ memory: state }) => (state[key] === Infinity || (key === 'low' && state.low === 0) ? V1_MAX : `${String(state[key])}\n`),
    write(cgroup, text) {
      const match = /^(-?\d+)([kmgKMG]?)$/.exec(text.trim());
      if (match === null) return -EINVAL;
      const bytes = Number(match[1]) * 1024 ** ['', 'k', 'm', 'g'].indexOf((match[2] ?? '').toLowerCase());
      if (bytes >= 0 && key === 'max' && bytes < cgroup.memory.usage) return -EBUSY;
      cgroup.memory[key] = bytes < 0 ? Infinity : Math.floor(bytes / PAGE) * PAGE;
      return 0;
    },
  };
}

const V1: Readonly<Record<string, CgroupFile>> = {
  'cgroup.procs': PROCS,
  tasks: PROCS,
  'notify_on_release': { controller: '', root: true, read: () => '0\n', write: (_cgroup, text) => (text.trim() === '0' ? 0 : -EINVAL) },
  'cpu.shares': { controller: 'cpu', root: true, ...setting(cpu, 'shares', { least: 2, most: 262_144 }) },
  'cpu.idle': { controller: 'cpu', root: false, ...setting(cpu, 'idle', { most: 1 }) },
  'cpu.cfs_period_us': { controller: 'cpu', root: false, ...setting(cpu, 'period', { least: 1000, most: 1_000_000 }) },
  'cpu.cfs_quota_us': {
    controller: 'cpu', root: false, read: ({ cpu: { quota } }) => `${quota === Infinity ? '-1' : String(quota)}\n`,
    write: ({ cpu: state }, text) => (text.trim() === '-1' ? setNumber('1', 1, 1, () => { state.quota = Infinity; }) : setNumber(text, 1000, Number.MAX_SAFE_INTEGER, (value) => { state.quota = value; state.periodEnd = 0; })),
  },
  'cpu.cfs_burst_us': { controller: 'cpu', root: false, ...setting(cpu, 'burst') },
  'cpu.stat': { controller: 'cpu', root: true, read: ({ cpu: state }) => lines(['nr_periods', state.periods], ['nr_throttled', state.throttledPeriods], ['throttled_time', state.throttledTime]) },
  'cpuacct.usage': { controller: 'cpuacct', root: true, read: ({ cpu: { usage } }) => `${String(usage)}\n` },
  'cpuset.cpus': { controller: 'cpuset', root: true, ...cpuset('cpus') },
  'cpuset.mems': { controller: 'cpuset', root: true, ...cpuset('mems') },
  'cpuset.effective_cpus': { controller: 'cpuset', root: true, read: effective('cpus') },
  'cpuset.effective_mems': { controller: 'cpuset', root: true, read: effective('mems') },
  'memory.usage_in_bytes': { controller: 'memory', root: true, read: ({ memory: { usage } }) => `${String(usage)}\n` },
  'memory.max_usage_in_bytes': { controller: 'memory', root: true, read: ({ memory: { peak } }) => `${String(peak)}\n` },
  'memory.limit_in_bytes': { controller: 'memory', root: true, ...limitV1('max') },
  'memory.soft_limit_in_bytes': { controller: 'memory', root: true, ...limitV1('low') },
  'memory.failcnt': { controller: 'memory', root: true, read: ({ memory: { events } }) => `${String(events.max)}\n` },
  'memory.swappiness': { controller: 'memory', root: true, ...setting(memory, 'swappiness', { most: 100 }) },
  'memory.oom_control': {
    controller: 'memory', root: true, read: ({ memory: { oomDisabled, events } }) => lines(['oom_kill_disable', oomDisabled ? 1 : 0], ['under_oom', 0], ['oom_kill', events.oomKill]),
    // DIFFERS: the simulator has no tasks that wait for memory, so the killer can't be turned off.
    write: (_cgroup, text) => (text.trim() === '0' ? 0 : -EINVAL),
  },
  'memory.stat': { controller: 'memory', root: true, read: ({ memory: { usage } }) => lines(['cache', 0], ['rss', usage]) },
  'pids.current': { controller: 'pids', root: false, read: ({ pids }) => `${String(pids.current)}\n` },
  'pids.max': { controller: 'pids', root: false, ...setting(({ pids }) => pids, 'max', { max: true }) },
  'pids.events': { controller: 'pids', root: false, read: ({ pids }) => lines(['max', pids.failures]) },
  'freezer.state': { controller: 'freezer', root: false, ...freezeFile((cgroup) => (isFrozenAt(cgroup) ? 'FROZEN\n' : 'THAWED\n'), 'FROZEN', 'THAWED') },
  'freezer.self_freezing': { controller: 'freezer', root: false, read: ({ freeze }) => `${freeze ? '1' : '0'}\n` },
  'blkio.weight': { controller: 'blkio', root: false, read: ({ io }) => `${String(io.weight)}\n`, write: ({ io }, text) => setNumber(text, 10, 1000, (value) => { io.weight = value; }) },
  'devices.list': { controller: 'devices', root: true, read: () => 'a *:* rwm\n' },
};

/** Files of one directory, in the order of their table. */
export function filesOf(cgroup: Cgroup): readonly (readonly [string, CgroupFile])[] {
  const available = controllersOf(cgroup);
  return Object.entries(cgroup.hierarchy.version === 2 ? V2 : V1).filter(([, { controller, root }]) => (controller === '' || available.includes(controller)) && (root || cgroup.parent !== undefined));
}

export function fileNamed(cgroup: Cgroup, name: string): CgroupFile | undefined {
  const table = cgroup.hierarchy.version === 2 ? V2 : V1;
  const file = Object.hasOwn(table, name) ? table[name] : undefined;
  if (file === undefined || (file.controller !== '' && !controllersOf(cgroup).includes(file.controller)) || (!file.root && cgroup.parent === undefined)) return undefined;
  return file;
}
