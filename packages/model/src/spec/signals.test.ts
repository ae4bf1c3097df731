import { expect, it } from 'vitest';
import { BoxError, SyscallError, UsageError } from '../errors/box-error.ts';
import { exitCodeForError, exitCodeOf } from './exit-codes.ts';
import { parseSignal, signalName } from './signals.ts';

it.each([['TERM', 15], ['SIGTERM', 15], ['sigkill', 9], ['15', 15], ['64', 64], ['IOT', 6], ['SIGSYS', 31], ['RTMIN', 34], ['SIGRTMIN+3', 37], ['rtmax', 64], ['SIGRTMAX-14', 50]])('reads the signal %s as %i', (text, number) => {
  expect(parseSignal(text)).toBe(number);
});

it.each(['', '0', '65', '-9', 'SIG', 'NOPE', 'RTMIN+31', 'RTMAX+1', 'constructor', '1.5', 'TERM '])('refuses the signal %j and quotes it', (text) => {
  expect(() => parseSignal(text)).toThrow(`found "${text}"`);
});

it('names signals', () => {
  expect([1, 15, 31, 32, 34, 37, 64, 0, 65].map(signalName)).toEqual(['SIGHUP', 'SIGTERM', 'SIGSYS', undefined, 'SIGRTMIN', 'SIGRTMIN+3', 'SIGRTMAX', undefined, undefined]);
});

it('cases 4 and 21: a process killed by a signal gives 128 and its number', () => {
  expect([exitCodeOf({ signal: 9 }), exitCodeOf({ signal: 15 }), exitCodeOf({ code: 3 })]).toEqual([137, 143, 3]);
});

it.each([
  ['case 1: a command that is not there is 127', new BoxError({ code: 'ERR_TSCBOX_COMMAND_NOT_FOUND', attempted: 'x' }), 127],
  ['case 1: a command that can not be run is 126', new BoxError({ code: 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', attempted: 'x' }), 126],
  ['case 2: a wrong flag is 125', new UsageError({ attempted: 'x' }), 125],
  ['case 2: a missing image is 125', new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: 'x' }), 125],
  ['case 7: a working directory that is not there is 126', new SyscallError({ attempted: 'x', step: 'cwd', errno: 'ENOENT' }), 126],
  ['any other failure is 125', new Error('x'), 125],
])('%s', (_, error, code) => {
  expect(exitCodeForError(error)).toBe(code);
});
