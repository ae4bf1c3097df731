import { BoxError, SyscallError, UsageError } from '@tsc-box/model';
import { describe, expect, it } from 'vitest';
import { humanDuration } from './age.ts';
import { renderError, renderWarning } from './errors.ts';
import { coloured, plain, styleFor } from './style.ts';
import { formatTable } from './table.ts';

const failed = new SyscallError({
  attempted: 'mount the overlay on "/run/x/merged"', step: 'root.create', syscall: 'mount', args: { target: '/run/x/merged', flags: ['MS_NODEV'] }, errno: 'EINVAL', detail: 'invalid argument',
  hint: 'use --root on another file system', cause: new Error('upper is on overlayfs'),
});

describe('an error', () => {
  it('as text has its message, step, call, cause and hint, a line each', () => {
    expect(renderError(failed, 'text', plain)).toBe([
      'tsc-box: error: mount the overlay on "/run/x/merged": EINVAL invalid argument',
      '  step:  root.create',
      '  call:  mount(target="/run/x/merged", flags=MS_NODEV)',
      '  cause: upper is on overlayfs',
      '  hint:  use --root on another file system',
      '',
    ].join('\n'));
  });

  it('as text has only the lines that are set', () => {
    expect(renderError(new UsageError({ attempted: 'read --x', detail: 'found 1' }), 'text', plain)).toBe('tsc-box: error: read --x: found 1\n');
  });

  it('as JSON is one line that a program can branch on', () => {
    const text = renderError(failed, 'json', coloured);
    expect(text.indexOf('\n')).toBe(text.length - 1);
    expect(JSON.parse(text)).toMatchObject({ code: 'ERR_TSCBOX_STEP_FAILED', step: 'root.create', syscall: 'mount', errno: 'EINVAL', cause: 'upper is on overlayfs', hint: 'use --root on another file system' });
  });

  it('that is none of ours shows where it came from and asks for a report', () => {
    const text = renderError(new TypeError('x is not a function'), 'text', plain);
    expect(text).toMatch(/^tsc-box: error: x is not a function\n {4}at /);
    expect(text).toContain('this is a bug in tsc-box');
    expect(JSON.parse(renderError('thrown text', 'json', plain))).toEqual({ code: 'ERR_TSCBOX_INTERNAL', message: 'thrown text' });
  });

  it('has colours only where asked for', () => {
    expect(renderError(new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: 'x' }), 'text', coloured)).toContain('\u001B[31merror:\u001B[39m');
    expect(styleFor(1, { NO_COLOR: '1' })).toBe(plain);
    expect(styleFor(999, {})).toBe(plain);
  });
});

it('a warning is a line of text or of JSON', () => {
  expect(renderWarning('unknown capability', 'text', plain)).toBe('tsc-box: warning: unknown capability\n');
  expect(renderWarning('unknown capability', 'json', plain)).toBe('{"warning":"unknown capability"}\n');
});

it('a table is as wide as its widest cells, without spaces at line ends', () => {
  expect(formatTable([['A', 'B'], ['longer', 'x']])).toBe('A        B\nlonger   x\n');
});

it.each([[0, 'Less than a second'], [1500, '1 second'], [59_000, '59 seconds'], [61_000, 'About a minute'], [180_000, '3 minutes'], [3_700_000, 'About an hour'], [10_800_000, '3 hours'], [259_200_000, '3 days'], [1_300_000_000, '2 weeks'], [6_000_000_000, '2 months'], [70_000_000_000, '2 years']])(
  'a span of %d ms is told as docker does: %s',
  (span, text) => {
    expect(humanDuration(span)).toBe(text);
  },
);
