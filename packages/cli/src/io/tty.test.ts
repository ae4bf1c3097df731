import { expect, it } from 'vitest';
import { rawFrom, windowSize } from './tty.unsafe.ts';

/** c_iflag, c_oflag, c_cflag, c_lflag of a usual terminal: ICRNL IXON | OPOST ONLCR | B38400 CS8 CREAD | ISIG ICANON ECHO ECHOE ECHOK IEXTEN ECHOCTL ECHOKE */
const USUAL = [0o2400, 0o5, 0o277, 0o105073] as const;

it('raw mode clears and sets what cfmakeraw(3) does, and nothing else', () => {
  const saved = Buffer.alloc(36, 0);
  USUAL.forEach((word, index) => saved.writeUInt32LE(word, index * 4));
  saved[17 + 4] = 7;
  const raw = rawFrom(saved);
  expect([0, 4, 8, 12].map((offset) => raw.readUInt32LE(offset))).toEqual([0, 0o4, 0o277, 0o105073 & ~0o100113]);
  expect([raw[17 + 4], raw[17 + 5], raw[17 + 6]]).toEqual([7, 0, 1]);
  expect(saved.readUInt32LE(0)).toBe(USUAL[0]);
});

it('a descriptor that is no terminal has no size', () => {
  expect(windowSize(-1)).toBeUndefined();
});
