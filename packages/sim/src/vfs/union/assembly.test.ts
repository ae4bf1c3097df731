/** The checked-in WebAssembly is what the sources give, and both sides agree on their numbers. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { compileUnion, UNION_FILE } from '../../../scripts/build-union.mts';
import * as abi from './abi.ts';

it('union.generated.ts is up to date: node packages/sim/scripts/build-union.mts writes it', () => {
  expect(compileUnion()).toBe(readFileSync(UNION_FILE, 'utf8'));
}, 120_000);

it('abi.ts has the numbers of assembly/abi.ts', () => {
  const text = readFileSync(new URL('../../../assembly/abi.ts', import.meta.url), 'utf8');
  const assembly = new Map([...text.matchAll(/export const (\w+): \w+ = (0x[\da-f]+|\d+);/g)].map(([, name, value]) => [name, Number(value)]));
  const header = assembly.get('HEADER') ?? 0;
  const host = Object.entries(abi).filter(([name, value]) => typeof value === 'number' && assembly.has(name));
  expect(host.length).toBeGreaterThan(15);
  for (const [name, value] of host) expect({ [name]: value }).toEqual({ [name]: assembly.get(name) });
  expect(abi.H_FREED - header).toBe(60);
  expect(abi.FLAVOURS).toEqual({ plain: assembly.get('FLAVOUR_PLAIN'), overlay: assembly.get('FLAVOUR_OVERLAY'), aufs: assembly.get('FLAVOUR_AUFS') });
});
