/** `--cap-add`, `--cap-drop`, `--privileged`: docs.docker.com "Runtime privilege and Linux capabilities". */
import { UsageError } from '../errors/box-error.ts';
import type { Facts } from '../plan/facts.ts';
import { allCapabilities, CAPABILITY_NUMBERS, DEFAULT_CAPABILITIES, normalizeCapability } from '../spec/capabilities.ts';
import type { SpecCapabilities } from '../spec/spec.ts';
import type { RunOptions } from './run-options.ts';

/**
 * The capabilities of the container, in the order of their numbers. ALL and the defaults are cut to what can be had here:
 * in a user namespace all that the kernel knows, else those of the launching process. One asked for by name stays, so that `compile` warns when it is lacking.
 * @throws UsageError for an unknown name: a typing error in --cap-drop must not leave a capability in.
 */
export function chooseCapabilities(options: RunOptions, facts: Facts, userns: boolean): string[] {
  const add = readNames(options.capAdd ?? [], '--cap-add');
  const drop = readNames(options.capDrop ?? [], '--cap-drop');
  const base = (options.privileged === true || add.has('CAP_ALL') ? allCapabilities(facts.lastCapability) : DEFAULT_CAPABILITIES).filter((name) => userns || facts.capabilities.includes(name));
  const kept = drop.has('CAP_ALL') ? [] : base.filter((name) => !drop.has(name));
  const chosen = new Set([...kept, ...[...add].filter((name) => name !== 'CAP_ALL')]);
  return Object.keys(CAPABILITY_NUMBERS).filter((name) => chosen.has(name));
}

function readNames(texts: readonly string[], option: string): Set<string> {
  const names = texts.flatMap((text) => text.split(',')).map(normalizeCapability);
  for (const name of names) {
    if (name !== 'CAP_ALL' && !Object.hasOwn(CAPABILITY_NUMBERS, name)) {
      throw new UsageError({ attempted: `read ${option}`, detail: `found "${name}", allowed: ALL, ${Object.keys(CAPABILITY_NUMBERS).map((known) => known.slice(4)).join(', ')}` });
    }
  }
  return new Set(names);
}

/** Root holds what it may hold; another user only what it may gain. None is inheritable (moby GHSA-2mm7-x5h6-5pvq), none ambient. */
export function capabilitySets(chosen: readonly string[], uid: number): SpecCapabilities {
  const held = uid === 0 ? chosen : [];
  return { bounding: chosen, effective: held, permitted: held, inheritable: [], ambient: [] };
}
