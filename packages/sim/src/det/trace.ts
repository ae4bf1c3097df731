/** The log of system calls: one JSON object a line. Formatted when it is asked for, so that keeping it costs little. */
import type { Call, CallResult } from '../abi/calls.ts';
import { errnoName } from '../abi/errno.ts';

export interface Trace {
  /** Off: nothing is kept. */
  enabled: boolean;
  call(now: number, pid: number, call: Call, result: CallResult): void;
  note(now: number, pid: number, text: string): void;
  /** Lines without the newline, oldest first. */
  lines(): string[];
}

interface Entry {
  readonly now: number;
  readonly pid: number;
  readonly what: Call | string;
  readonly result: CallResult;
}

export function openTrace(enabled: boolean): Trace {
  const entries: Entry[] = [];
  return {
    enabled,
    call: (now, pid, what, result) => void entries.push({ now, pid, what, result }),
    note: (now, pid, what) => void entries.push({ now, pid, what, result: 0 }),
    lines: () => entries.map(format),
  };
}

function format({ now, pid, what, result }: Entry): string {
  if (typeof what === 'string') return JSON.stringify({ t: now, pid, note: what });
  const { call, ...args } = what;
  const value = typeof result === 'number' && result < 0 ? { error: errnoName(result) } : { result };
  return JSON.stringify({ t: now, pid, call, args, ...value }, plain);
}

/** Data by its text, functions (children, handlers) by a word. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return latin1(value.subarray(0, 64)) + (value.length > 64 ? `… (${String(value.length)} bytes)` : '');
  if (typeof value === 'function') return 'program';
  if (typeof value === 'bigint') return `0x${value.toString(16)}`;
  return value === Infinity ? 'infinity' : value;
}

export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < bytes.length; index += 8192) text += String.fromCharCode(...bytes.subarray(index, index + 8192));
  return text;
}

export function toBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return bytes;
}
