/**
 * The allocator: one arena that grows, and a free list a size class. Classes are multiples of 8 up to 512, then powers of two.
 * Records start zeroed. Nothing fails half-way: an operation calls `reserve` before it changes anything.
 */
import { FREE_LISTS, H_GENERATION, H_TOP, H_USED, HEAP } from './abi.ts';

/** Room that `reserve` guarantees; no single operation allocates more, except growing a table, which may fail harmlessly. */
const RESERVE: u32 = 262144;

@inline
function classOf(size: u32): u32 {
  return size <= 512 ? (size + 7) >> 3 : 64 + (32 - clz<u32>(size - 1));
}

@inline
function classBytes(index: u32): u32 {
  return index <= 64 ? index << 3 : <u32>1 << (index - 64);
}

/** Makes sure that memory reaches to `end`. False when the host gives no more. */
function grow(end: u64): bool {
  const have = <u64>memory.size() << 16;
  if (end <= have) return true;
  if (end > 0xfffe0000) return false;
  // By an eighth: memory is copied when it grows, and counts as used.
  const want = max(end - have, have >> 3);
  const pages = <i32>((want + 0xffff) >> 16);
  return memory.grow(pages) >= 0 || memory.grow(<i32>((end - have + 0xffff) >> 16)) >= 0;
}

export function reserve(): bool {
  return grow(<u64>load<u32>(H_TOP) + RESERVE);
}

/** Zeroed memory; 0 when there is none. */
export function alloc(size: u32): u32 {
  const index = classOf(size);
  const bytes = classBytes(index);
  const list = FREE_LISTS + (index << 2);
  let at = load<u32>(list);
  if (at != 0) {
    store<u32>(list, load<u32>(at));
  } else {
    at = load<u32>(H_TOP);
    if (!grow(<u64>at + bytes)) return 0;
    store<u32>(H_TOP, at + bytes);
  }
  memory.fill(at, 0, bytes);
  store<u32>(H_USED, load<u32>(H_USED) + bytes);
  return at;
}

export function release(at: u32, size: u32): void {
  const index = classOf(size);
  const list = FREE_LISTS + (index << 2);
  store<u32>(at, load<u32>(list));
  store<u32>(list, at);
  store<u32>(H_USED, load<u32>(H_USED) - classBytes(index));
}

@inline
export function handle(at: u32): i32 {
  return <i32>(at >> 3);
}

@inline
export function address(handle: i32): u32 {
  return <u32>handle << 3;
}

/** Caches of the host compare it: it grows with each change of a name or of an object's place. */
@inline
export function changed(): void {
  store<u32>(H_GENERATION, load<u32>(H_GENERATION) + 1);
}

export function initMemory(): void {
  store<u32>(H_TOP, HEAP);
  store<u32>(H_USED, 0);
}
