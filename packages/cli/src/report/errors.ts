/** Errors and warnings on standard error: a block of text for people, one line of JSON for programs. */
import { asBoxError, BoxError, errorToJson, formatCall } from '@tsc-box/model';
import type { Style } from './style.ts';

export type ErrorFormat = 'text' | 'json';

/** Ends in a newline. */
export function renderError(thrown: unknown, format: ErrorFormat, style: Style): string {
  const error = asBoxError(thrown);
  if (format === 'json') return `${JSON.stringify(withCause(error))}\n`;
  const lines = [`${style('bold', 'tsc-box:')} ${style('red', 'error:')} ${messageOf(error)}`];
  if (error instanceof BoxError) {
    if (error.step !== undefined) lines.push(detail(style, 'step', error.step));
    if (error.syscall !== undefined && error.args !== undefined) lines.push(detail(style, 'call', formatCall(error.syscall, error.args)));
    if (error.cause !== undefined) lines.push(detail(style, 'cause', messageOf(error.cause)));
    if (error.hint !== undefined) lines.push(detail(style, 'hint', error.hint));
  } else if (error instanceof Error && error.stack !== undefined) {
    // Not one of our own: a bug, whose place is needed.
    lines.push(...error.stack.split('\n').slice(1).map((line) => style('dim', line)));
    lines.push(detail(style, 'hint', 'this is a bug in tsc-box: please report it with the command that showed it'));
  }
  return `${lines.join('\n')}\n`;
}

export function renderWarning(text: string, format: ErrorFormat, style: Style): string {
  return format === 'json' ? `${JSON.stringify({ warning: text })}\n` : `${style('bold', 'tsc-box:')} ${style('yellow', 'warning:')} ${text}\n`;
}

function detail(style: Style, name: string, text: string): string {
  return `  ${style('cyan', `${name}:`.padEnd(6))} ${text.replaceAll('\n', '\n         ')}`;
}

function withCause(error: unknown): Record<string, unknown> {
  const fields = errorToJson(error);
  return error instanceof BoxError && error.cause !== undefined ? { ...fields, cause: messageOf(error.cause) } : fields;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
