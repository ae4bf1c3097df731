/** Hash tables of named records, keyed by (owner, name). One serves all names of all layers, one all nodes of all mounts. */
import { R_HASH, R_NEXT, R_OWNER, T_BUCKETS, T_COUNT, T_MASK } from './abi.ts';
import { alloc, release } from './memory.ts';

const FIRST_BUCKETS: u32 = 1024;

export function initTable(table: u32): void {
  store<u32>(table + T_BUCKETS, alloc(FIRST_BUCKETS << 2));
  store<u32>(table + T_MASK, FIRST_BUCKETS - 1);
}

/** Hash of a name, by 4 bytes a step: names are short, and most of a lookup is this. */
export function hashName(name: u32, length: u32): u32 {
  let hash: u32 = length ^ 0x811c9dc5;
  let at = name;
  const end = name + length;
  while (at + 4 <= end) {
    hash = rotl(hash ^ load<u32>(at), 5) * 0x9e3779b1;
    at += 4;
  }
  while (at < end) hash = rotl(hash ^ load<u8>(at++), 5) * 0x9e3779b1;
  return hash ^ (hash >> 15);
}

@inline
export function mix(hash: u32, owner: u32): u32 {
  const mixed = (hash ^ (owner >> 3) * 0x85ebca6b) * 0xc2b2ae35;
  return mixed ^ (mixed >> 16);
}

@inline
function sameName(a: u32, b: u32, length: u32): bool {
  while (length >= 4) {
    if (load<u32>(a) != load<u32>(b)) return false;
    a += 4;
    b += 4;
    length -= 4;
  }
  while (length > 0) {
    if (load<u8>(a) != load<u8>(b)) return false;
    a++;
    b++;
    length--;
  }
  return true;
}

/** The record of `owner` with that name, or 0. `lengthAt` is where in the record the name's length lies; the name follows. */
@inline
export function findRecord(table: u32, owner: u32, name: u32, length: u32, hash: u32, lengthAt: u32): u32 {
  const mixed = mix(hash, owner);
  let at = load<u32>(load<u32>(table + T_BUCKETS) + ((mixed & load<u32>(table + T_MASK)) << 2));
  while (at != 0) {
    if (load<u32>(at + R_HASH) == mixed && load<u32>(at + R_OWNER) == owner && load<u8>(at + lengthAt) == length && sameName(at + lengthAt + 1, name, length)) return at;
    at = load<u32>(at + R_NEXT);
  }
  return 0;
}

export function insertRecord(table: u32, record: u32, owner: u32, hash: u32): void {
  const count = load<u32>(table + T_COUNT) + 1;
  store<u32>(table + T_COUNT, count);
  if (count > load<u32>(table + T_MASK)) widen(table);
  const mixed = mix(hash, owner);
  const bucket = load<u32>(table + T_BUCKETS) + ((mixed & load<u32>(table + T_MASK)) << 2);
  store<u32>(record + R_HASH, mixed);
  store<u32>(record + R_OWNER, owner);
  store<u32>(record + R_NEXT, load<u32>(bucket));
  store<u32>(bucket, record);
}

export function removeRecord(table: u32, record: u32): void {
  let slot = load<u32>(table + T_BUCKETS) + ((load<u32>(record + R_HASH) & load<u32>(table + T_MASK)) << 2);
  while (load<u32>(slot) != record) slot = load<u32>(slot) + R_NEXT;
  store<u32>(slot, load<u32>(record + R_NEXT));
  store<u32>(table + T_COUNT, load<u32>(table + T_COUNT) - 1);
}

/** Twice the buckets. Without memory for them the old ones stay: slower, never wrong. */
function widen(table: u32): void {
  const oldBuckets = load<u32>(table + T_BUCKETS);
  const oldSize = load<u32>(table + T_MASK) + 1;
  const mask = oldSize * 2 - 1;
  const buckets = alloc(oldSize << 3);
  if (buckets == 0) return;
  for (let index: u32 = 0; index < oldSize; index++) {
    let record = load<u32>(oldBuckets + (index << 2));
    while (record != 0) {
      const next = load<u32>(record + R_NEXT);
      const bucket = buckets + ((load<u32>(record + R_HASH) & mask) << 2);
      store<u32>(record + R_NEXT, load<u32>(bucket));
      store<u32>(bucket, record);
      record = next;
    }
  }
  store<u32>(table + T_BUCKETS, buckets);
  store<u32>(table + T_MASK, mask);
  release(oldBuckets, oldSize << 2);
}
