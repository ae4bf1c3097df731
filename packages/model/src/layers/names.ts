/** What the names in a layer archive mean: rules T2, T3, T4, T9 and section 6 rule 2. Paths are byte strings. */
import { textOf, toByteString } from './bytes.ts';
import { tarError } from './tar-types.ts';

export const WHITEOUT_PREFIX = '.wh.';
export const OPAQUE_NAME = '.wh..wh..opq';
/** Where AUFS kept files with several names. Layers of that time link to them. */
export const PSEUDO_LINKS = '.wh..wh.plnk';

export type LayerName =
  | { readonly kind: 'ordinary' }
  | { readonly kind: 'whiteout'; readonly hidden: string }
  | { readonly kind: 'opaque' }
  /** Left over from AUFS. */
  | { readonly kind: 'skip' };

/** The components of a name, seen from the layer's root. "." is dropped; ".." may not leave the root. */
export function splitLayerPath(name: Uint8Array, offset: number, depth = 1024): string[] {
  const path = toByteString(name);
  const fail = (detail: string): never => {
    throw tarError(textOf(path.slice(0, 300)), offset, detail);
  };
  if (path === '') fail('an empty name');
  if (path.includes('\0')) fail('a name with a NUL inside');
  if (path.length > 4096) fail(`a name of ${String(path.length)} bytes, allowed: 4096`);
  const components: string[] = [];
  for (const component of path.split('/')) {
    if (component === '' || component === '.') continue;
    if (component.length > 255) fail(`a component of ${String(component.length)} bytes, allowed: 255`);
    if (component !== '..') components.push(component);
    else if (components.pop() === undefined) fail('".." leaves the root of the layer');
  }
  if (components.length > depth) fail(`a path of ${String(components.length)} components, allowed: ${String(depth)}`);
  return components;
}

export function classifyName(components: readonly string[], offset: number): LayerName {
  const first = components[0];
  if (first === PSEUDO_LINKS) return { kind: 'ordinary' };
  if (first === '.wh..wh.aufs' || first === '.wh..wh.orph') return { kind: 'skip' };
  const name = components.at(-1);
  if (name === undefined || !name.startsWith(WHITEOUT_PREFIX)) return { kind: 'ordinary' };
  if (name === OPAQUE_NAME) return { kind: 'opaque' };
  const hidden = name.slice(WHITEOUT_PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..') throw tarError(textOf(components.join('/')), offset, 'a whiteout of nothing, of its directory or of its parent');
  return { kind: 'whiteout', hidden };
}
