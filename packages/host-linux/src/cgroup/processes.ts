/** What `ps` shows of a process: proc(5), /proc/PID/{stat,status,cmdline}. */
import { readdirSync, readlinkSync } from 'node:fs';
import type { ContainerProcess, ProcessIdentity } from '@tsc-box/model';
import { isRunning } from '../launch/process-identity.ts';
import { tryRead } from './files.ts';

/** Clock ticks a second in /proc: USER_HZ, which is 100 on every architecture that Node runs on. */
const TICKS = 100;
const SECOND_MS = 1000;
/** Fields of /proc/PID/stat, counted from 0 behind the name in parentheses. */
const FIELD = { state: 0, parent: 1, terminal: 4, userTime: 11, systemTime: 12, startTime: 19 } as const;

/** Undefined when it has ended. */
export function readProcess(pid: number): ContainerProcess | undefined {
  const [stat, status, cmdline] = ['stat', 'status', 'cmdline'].map((file) => tryRead(`/proc/${pid}/${file}`));
  if (stat === undefined || status === undefined || cmdline === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const number = (index: number): number => Number(fields[index] ?? 0);
  const statusField = (name: string): readonly string[] => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1]?.split(/\s+/) ?? [];
  const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
  return {
    pid, parent: number(FIELD.parent), pidInside: Number(statusField('NSpid').at(-1) ?? pid), uid: Number(statusField('Uid')[1] ?? 0), state: fields[FIELD.state] ?? '?',
    cpuTimeUs: (number(FIELD.userTime) + number(FIELD.systemTime)) * (1e6 / TICKS), memory: Number(statusField('VmRSS')[0] ?? 0) * 1024, startedAt: bootTime() + (number(FIELD.startTime) / TICKS) * SECOND_MS,
    terminal: terminalName(number(FIELD.terminal)), command: cmdline === '' ? `[${name}]` : Buffer.from(cmdline.replace(/\0+$/, '').replaceAll('\0', ' '), 'latin1').toString('utf8'),
  };
}

/** tty_nr: minor numbers in the bits 31 to 20 and 7 to 0, the major number in 15 to 8. Unix98 terminals have 136 to 143. */
function terminalName(number: number): string {
  const major = (number >> 8) & 0xff;
  const minor = (number & 0xff) | ((number >> 12) & 0xfff00);
  return major >= 136 && major <= 143 ? `pts/${String((major - 136) * 256 + minor)}` : '?';
}

/** Milliseconds since 1970. */
function bootTime(): number {
  return Number(/^btime (\d+)$/m.exec(tryRead('/proc/stat') ?? '')?.[1] ?? 0) * SECOND_MS;
}

/** Those in the pid namespace of a process (pid_namespaces(7)), as far as this user may look. */
export function processesBeside({ pid, startTime }: ProcessIdentity): readonly ContainerProcess[] {
  const namespace = namespaceOf(pid);
  if (namespace === undefined || !isRunning(pid, startTime)) return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.filter((other) => namespaceOf(other) === namespace).map(readProcess).filter((process) => process !== undefined);
}

function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${String(pid)}/ns/pid`);
  } catch {
    return undefined;
  }
}
