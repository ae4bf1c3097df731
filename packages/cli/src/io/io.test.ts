import { SIGNAL_NUMBERS, UsageError } from '@tsc-box/model';
import { describe, expect, it } from 'vitest';
import { FORWARDED, relaySignals } from './signals.ts';
import { chooseStreams } from './streams.ts';

const terminals = (...fds: number[]) => (fd: number): boolean => fds.includes(fd);

describe('standard streams', () => {
  it('that are files and pipes are handed down as they are', () => {
    expect(chooseStreams({ interactive: true, terminal: false }, terminals())).toEqual({ stdin: 0, stdout: 1, stderr: 2 });
  });

  it('without -i have no input', () => {
    expect(chooseStreams({ interactive: false, terminal: false }, terminals(0, 1, 2))).toMatchObject({ stdin: 'null' });
  });

  it('that are the user\'s terminal are copied, never handed down: TIOCSTI could type into it', () => {
    expect(chooseStreams({ interactive: true, terminal: false }, terminals(0, 2))).toEqual({ stdin: 'pipe', stdout: 1, stderr: 'pipe' });
  });

  it('are the container\'s own terminal with -t', () => {
    expect(chooseStreams({ interactive: true, terminal: true }, terminals(0))).toEqual({ stdin: 'null', stdout: 'null', stderr: 'null' });
    expect(chooseStreams({ interactive: false, terminal: true }, terminals())).toEqual({ stdin: 'null', stdout: 'null', stderr: 'null' });
  });

  it('that are no terminal can\'t be one for -i -t, in docker\'s words', () => {
    const choose = (): unknown => chooseStreams({ interactive: true, terminal: true }, terminals(1, 2));
    expect(choose).toThrow(UsageError);
    expect(choose).toThrow('the input device is not a TTY');
  });
});

/** As Node does when a signal has arrived. */
const raise = (signal: NodeJS.Signals): boolean => (process as NodeJS.EventEmitter).emit(signal, signal, SIGNAL_NUMBERS[signal]);

describe('signals', () => {
  it('reach the container by number, each of them', () => {
    const sent: number[] = [];
    const relay = relaySignals(() => undefined);
    relay.to({ kill: (signal) => sent.push(signal) > 0 });
    for (const name of FORWARDED) raise(name);
    relay.stop();
    expect(sent).toEqual(FORWARDED.map((name) => SIGNAL_NUMBERS[name]));
  });

  it('that end a process end us while there is no container yet', () => {
    const exits: number[] = [];
    const relay = relaySignals((code) => exits.push(code));
    for (const name of ['SIGWINCH', 'SIGCONT', 'SIGTERM'] as const) raise(name);
    relay.stop();
    expect(exits).toEqual([143]);
  });

  it('can be intercepted: the window\'s size goes to the terminal, not to the process', () => {
    const sent: number[] = [];
    const relay = relaySignals(() => undefined);
    relay.to({ kill: (signal) => sent.push(signal) > 0 }, (signal) => signal === 'SIGWINCH');
    raise('SIGWINCH');
    raise('SIGINT');
    relay.stop();
    expect(sent).toEqual([2]);
  });

  it('are left alone afterwards', () => {
    const before = process.listenerCount('SIGINT');
    relaySignals(() => undefined).stop();
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});
