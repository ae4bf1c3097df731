/** Owners between a user namespace and its host, and what is kept aside where an ordinary user may not set them. */
import type { IdRangeMap, TreeIds } from '@tsc-box/model';
import { OWNER_XATTR } from './attributes.ts';

/** user_namespaces(7): /proc/sys/kernel/overflowuid. */
const OVERFLOW = 65_534;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

function inside(maps: readonly IdRangeMap[], id: number): number {
  const map = maps.find(({ hostID, size }) => id >= hostID && id < hostID + size);
  return map === undefined ? OVERFLOW : map.containerID + id - map.hostID;
}

function outside(maps: readonly IdRangeMap[], id: number): number | undefined {
  const map = maps.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return map === undefined ? undefined : map.hostID + id - map.containerID;
}

/** As the archive has it. What was kept aside counts while the file still belongs to the namespace's root: a chown since then wins. */
export function ownerInside(owner: Owner, xattrs: ReadonlyMap<string, Uint8Array>, ids: TreeIds | undefined): Owner {
  const mapped = ids === undefined ? owner : { uid: inside(ids.uids, owner.uid), gid: inside(ids.gids, owner.gid) };
  const kept = xattrs.get(OWNER_XATTR);
  return kept !== undefined && mapped.uid === 0 && mapped.gid === 0 ? decodeOwner(kept) : mapped;
}

/** As the host has it. Undefined where the namespace lacks the id. */
export function ownerOutside({ uid, gid }: Owner, ids: TreeIds | undefined): Owner | undefined {
  if (ids === undefined) return { uid, gid };
  const [u, g] = [outside(ids.uids, uid), outside(ids.gids, gid)];
  return u === undefined || g === undefined ? undefined : { uid: u, gid: g };
}

/** `message Resource { uint32 uid = 1; uint32 gid = 2; }` of protocol buffers; fields that are not there are 0. */
export function decodeOwner(bytes: Uint8Array): Owner {
  const found = { uid: 0, gid: 0 };
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at++];
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80 || shift > 2 ** 28) break;
    }
    if (tag === 0x08) found.uid = value;
    else if (tag === 0x10) found.gid = value;
  }
  return found;
}

/** capabilities(7): those of a user namespace's root (revision 3) become ordinary ones (2), whose layout they start with. */
export function capabilityInside(value: Uint8Array): Uint8Array {
  if (value.length !== 24 || value[3] !== 3) return value;
  const plain = value.slice(0, 20);
  plain[3] = 2;
  return plain;
}
