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

/** Passes on what is typed, but for the keys: what looks like their beginning is held back until the next key. Undefined: they were typed. */
export type KeyWatcher = (bytes: Buffer) => Buffer | undefined;

export function keyWatcher(keys: readonly number[], typed: () => void): KeyWatcher {
  let matched = 0;
  return (bytes) => {
    if (keys.length === 0) return bytes;
    const passed: number[] = [];
    for (const byte of bytes) {
      if (byte === keys[matched]) {
        matched += 1;
        if (matched === keys.length) {
          typed();
          return undefined;
        }
        continue;
      }
      passed.push(...keys.slice(0, matched));
      matched = byte === keys[0] ? 1 : 0;
      if (matched === 0) passed.push(byte);
    }
    return Buffer.from(passed);
  };
}
