/** Colours, on terminals only: https://no-color.org */
import { inspect } from 'node:util';
import { isTerminal } from './write.ts';

export type StyleName = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
export type Style = (name: StyleName, text: string) => string;

export const plain: Style = (_name, text) => text;

export const coloured: Style = (name, text) => {
  const [open, close] = inspect.colors[name] ?? [0, 0];
  return `\u001B[${open}m${text}\u001B[${close}m`;
};

/** Style for what is written to `fd`. */
export function styleFor(fd: number, env: Readonly<Record<string, string | undefined>>): Style {
  return (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb' && isTerminal(fd) ? coloured : plain;
}
