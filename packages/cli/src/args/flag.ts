/** A flag of a command line, as data: the parser, the help and the shell completions are all made from it. */

/** What a flag is completed with: paths, or words. */
export type Completion = 'file' | 'directory' | readonly string[];

export interface Flag {
  /** Without the dashes: `memory-swap`. */
  readonly long: string;
  /** One letter. */
  readonly short?: string;
  /** Other long names, not shown. */
  readonly aliases?: readonly string[];
  /** `list`: may be given more than once. For the others the last one counts, as docker has it. */
  readonly kind: 'boolean' | 'string' | 'list';
  /** Key in the parsed values. */
  readonly key: string;
  /** Placeholder of the value in the help. */
  readonly value?: string;
  readonly help: string;
  /** Heading in the help. */
  readonly group: string;
  /** The only values allowed. */
  readonly choices?: readonly string[];
  readonly complete?: Completion;
}

export type FlagValue = boolean | string | readonly string[];

export interface Parsed {
  readonly values: Readonly<Record<string, FlagValue>>;
  readonly positionals: readonly string[];
}

export function booleanValue(parsed: Parsed, key: string): boolean {
  return parsed.values[key] === true;
}

export function stringValue(parsed: Parsed, key: string): string | undefined {
  const value = parsed.values[key];
  return typeof value === 'string' ? value : undefined;
}

export function listValue(parsed: Parsed, key: string): readonly string[] {
  const value = parsed.values[key];
  return Array.isArray(value) ? value : [];
}
