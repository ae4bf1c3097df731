/** Random numbers from the seed, in streams that do not disturb each other: more draws of one leave the others as they were. */

export interface Random {
  /** In [0, 1), of 32 bits. */
  next(): number;
  /** In [0, below). */
  integer(below: number): number;
}

/** FNV-1a, to give each stream a start of its own. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}

/** sfc32 (Chris Doty-Humphrey, PractRand), seeded by the machine's seed and the stream's name. */
export function openRandom(seed: number, stream: string): Random {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = hash(stream);
  let counter = 1;
  const draw = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round += 1) draw();
  return { next: () => draw() / 2 ** 32, integer: (below) => Math.floor((draw() / 2 ** 32) * below) };
}
