/** errno by name. The numbers are the same on x86-64 and arm64: include/uapi/asm-generic/errno.h. */
import { constants } from 'node:os';

/** Node's table lacks a few that system calls of containers give. */
const MORE: Readonly<Record<string, number>> = { ENOTBLK: 15, EUSERS: 87, ENOSYS: 38, ELOOP: 40, EHWPOISON: 133, ESTALE: 116, EUCLEAN: 117 };

let names: Map<number, string> | undefined;

export function errnoNumber(name: string): number {
  const number = (constants.errno as Readonly<Record<string, number>>)[name] ?? MORE[name];
  if (number === undefined) throw new RangeError(`no errno ${name}`);
  return number;
}

export function errnoName(number: number): string {
  names ??= new Map(
    [...Object.entries(MORE), ...Object.entries(constants.errno)]
      .filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'ENOTSUP')
      .map(([name, value]) => [value, name]),
  );
  return names.get(number) ?? `errno ${number}`;
}
