import { describe, expect, it } from 'vitest';
import { keyWatcher, parseDetachKeys } from './detach-keys.ts';

describe('detach keys', () => {
  it.each([
    { keys: 'a,a,b', typed: ['aaab'], passed: 'a', left: true },
    { keys: 'a,a,b', typed: ['a', 'a', 'a', 'b', 'x'], passed: 'ax', left: true },
    { keys: 'a,b,a,c', typed: ['ababac'], passed: 'ab', left: true },
    { keys: 'a,b', typed: ['xay'], passed: 'xay', left: false },
    { keys: 'a,b', typed: ['xab'], passed: 'x', left: true },
    { keys: '', typed: ['ab'], passed: 'ab', left: false },
  ])('"$keys" in $typed passes "$passed" on', ({ keys, typed, passed, left }) => {
    let seen = false;
    const watch = keyWatcher(parseDetachKeys(keys), () => (seen = true));
    expect(typed.map((text) => watch(Buffer.from(text)).toString()).join('')).toBe(passed);
    expect(seen).toBe(left);
  });
});
