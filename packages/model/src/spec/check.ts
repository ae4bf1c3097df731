/** Checks of untrusted JSON: each returns the typed value or throws a SpecError with the path, what was found and what is allowed. */
import { SpecError } from '../errors/box-error.ts';

/** `pointer` is the JSON path of `value`, such as `process.args[0]`. */
export type Check<T> = (value: unknown, pointer: string) => T;

type Checks<T> = { readonly [K in keyof T]-?: Check<Exclude<T[K], undefined>> };

/** The value as an error shows it: short, and never more than it takes to recognise it. */
export function describeFound(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

export function bad(pointer: string, value: unknown, allowed: string): SpecError {
  return new SpecError({ pointer: pointer === '' ? '(top)' : pointer, detail: `found ${describeFound(value)}, allowed: ${allowed}` });
}

export function joinPointer(pointer: string, key: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) return `${pointer}[${JSON.stringify(key)}]`;
  return pointer === '' ? key : `${pointer}.${key}`;
}

export const string: Check<string> = (value, pointer) => {
  if (typeof value !== 'string') throw bad(pointer, value, 'a string');
  // The kernel ends strings at NUL: what follows would be checked but not used.
  if (value.includes('\0')) throw bad(pointer, value, 'a string without NUL bytes');
  return value;
};

export const boolean: Check<boolean> = (value, pointer) => {
  if (typeof value !== 'boolean') throw bad(pointer, value, 'true or false');
  return value;
};

/** A string of at least one character. */
export const text: Check<string> = (value, pointer) => {
  const found = string(value, pointer);
  if (found === '') throw bad(pointer, value, 'a string that is not empty');
  return found;
};

export const absolutePath: Check<string> = (value, pointer) => {
  const found = string(value, pointer);
  if (!found.startsWith('/')) throw bad(pointer, value, 'an absolute path');
  return found;
};

export function oneOf<const T extends string>(...allowed: readonly T[]): Check<T> {
  return (value, pointer) => {
    const found = allowed.find((word) => word === value);
    if (found === undefined) throw bad(pointer, value, allowed.join(', '));
    return found;
  };
}

/** A whole number in a range that JSON holds exactly. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Check<number> {
  return (value, pointer) => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw bad(pointer, value, `a whole number from ${min} to ${max}`);
  };
}

/** 2^63-1 and 2^64-1 are how other tools write "no limit"; JSON reads them as the next double. Here -1 says it. */
export function limit(min: number): Check<number> {
  const exact = integer(min);
  return (value, pointer) => (typeof value === 'number' && Number.isInteger(value) && value >= 2 ** 63 ? -1 : exact(value, pointer));
}

export function list<T>(item: Check<T>): Check<readonly T[]> {
  return (value, pointer) => {
    if (!Array.isArray(value)) throw bad(pointer, value, 'a list');
    return value.map((entry: unknown, index) => item(entry, `${pointer}[${index}]`));
  };
}

export function record<T>(item: Check<T>): Check<Readonly<Record<string, T>>> {
  return (value, pointer) => Object.fromEntries(Object.entries(asObject(value, pointer)).map(([key, entry]) => [key, item(entry, joinPointer(pointer, key))]));
}

export const anything: Check<unknown> = (value) => value;

function asObject(value: unknown, pointer: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(pointer, value, 'an object');
  return { ...value };
}

/**
 * An object. Keys that are not named here are left out of the result: the specification wants them ignored
 * (config.md, "Extensibility"). null counts as absent, as Go programs write empty fields so.
 */
export function object<T extends object>(checks: Checks<T>, required: readonly (keyof T & string)[] = []): Check<T> {
  return (value, pointer) => {
    const found = asObject(value, pointer);
    const result: Record<string, unknown> = {};
    for (const [key, check] of Object.entries<Check<unknown>>(checks)) {
      const entry = Object.hasOwn(found, key) ? found[key] : undefined;
      if (entry !== undefined && entry !== null) result[key] = check(entry, joinPointer(pointer, key));
      else if ((required as readonly string[]).includes(key)) throw bad(joinPointer(pointer, key), entry, 'a value: this field is required');
    }
    return result as T;
  };
}
