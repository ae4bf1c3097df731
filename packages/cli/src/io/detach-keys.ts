/** The keys that leave a container without ending it: docker-attach(1), `--detach-keys`. */
import { UsageError } from '@tsc-box/model';

const DEFAULT = 'ctrl-p,ctrl-q';
const CONTROL = 0x40;

/** Bytes that the keys send. @throws UsageError */
export function parseDetachKeys(text: string = DEFAULT): readonly number[] {
  if (text === '') return [];
  return text.split(',').map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) - CONTROL;
    if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0);
    throw new UsageError({ attempted: 'read --detach-keys', detail: `found "${text}", allowed: characters, or ctrl- with a letter or one of @ [ \\ ] ^ _, with commas between` });
  });
}

/** Passes on what is typed, but for the keys: what looks like their beginning is held back until the next key. `typed` is called when they were; what came before them is passed on. */
export type KeyWatcher = (bytes: Buffer) => Buffer;

export function keyWatcher(keys: readonly number[], typed: () => void): KeyWatcher {
  let held: readonly number[] = [];
  return (bytes) => {
    if (keys.length === 0) return bytes;
    const passed: number[] = [];
    for (const byte of bytes) {
      held = [...held, byte];
      // The longest end of it that may still become the keys: `aaab` holds `aab`.
      while (!held.every((key, index) => key === keys[index])) {
        passed.push(held[0] ?? 0);
        held = held.slice(1);
      }
      if (held.length < keys.length) continue;
      held = [];
      typed();
      break;
    }
    return Buffer.from(passed);
  };
}
