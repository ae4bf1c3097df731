/** Signals by name and number, the same on x86-64 and arm64: signal(7). */
import { UsageError } from '../errors/box-error.ts';

/** In the order of their numbers, from 1. */
const NAMES = [
  'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGUSR1', 'SIGSEGV', 'SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGTERM', 'SIGSTKFLT',
  'SIGCHLD', 'SIGCONT', 'SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGXCPU', 'SIGXFSZ', 'SIGVTALRM', 'SIGPROF', 'SIGWINCH', 'SIGIO', 'SIGPWR', 'SIGSYS',
] as const;

const ALIASES: Readonly<Record<string, number>> = { SIGIOT: 6, SIGCLD: 17, SIGPOLL: 29 };

/** The C library keeps 32 and 33 for itself, so that its SIGRTMIN is 34. */
const RT_MIN = 34;
const RT_MAX = 64;

/** Number of each signal by its name: `SIGTERM`: 15. Real-time signals have no names of their own here. */
export const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { ...Object.fromEntries(NAMES.map((name, index) => [name, index + 1])), ...ALIASES };

/** `SIGTERM` for 15; `SIGRTMIN+3` for 37; undefined for what is no signal. */
export function signalName(number: number): string | undefined {
  if (Number.isInteger(number) && number >= RT_MIN && number <= RT_MAX) return number === RT_MIN ? 'SIGRTMIN' : number === RT_MAX ? 'SIGRTMAX' : `SIGRTMIN+${number - RT_MIN}`;
  return NAMES[number - 1];
}

/**
 * A signal as docker users write it: `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3`, `SIGRTMAX-1`.
 * @throws UsageError for anything else, also for 0, which tests that a process is there but sends nothing.
 */
export function parseSignal(text: string): number {
  const number = parseNumber(text) ?? parseName(text.toUpperCase());
  if (number !== undefined) return number;
  throw new UsageError({ attempted: 'read a signal', detail: `found "${text}", allowed: a name such as TERM or SIGTERM, RTMIN+n, RTMAX-n, or a number from 1 to ${RT_MAX}` });
}

function parseNumber(text: string): number | undefined {
  if (!/^\d{1,3}$/.test(text)) return undefined;
  const number = Number(text);
  return number >= 1 && number <= RT_MAX ? number : undefined;
}

function parseName(upper: string): number | undefined {
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  if (Object.hasOwn(SIGNAL_NUMBERS, name)) return SIGNAL_NUMBERS[name];
  const match = /^SIG(RTMIN|RTMAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (match === null) return undefined;
  const offset = Number(`${match[2] ?? '+'}${match[3] ?? '0'}`);
  const number = (match[1] === 'RTMIN' ? RT_MIN : RT_MAX) + offset;
  return number >= RT_MIN && number <= RT_MAX ? number : undefined;
}
