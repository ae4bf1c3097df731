/** Suggests what was meant by a word that isn't known. */

/** The known word with the fewest edits from `word`, when few enough that it is likely meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.min(3, Math.max(1, Math.floor(word.length / 3))) + 1;
  for (const candidate of known) {
    const edits = distance(word, candidate);
    if (edits < least) {
      best = candidate;
      least = edits;
    }
  }
  return best ?? known.find((candidate) => word.length >= 3 && candidate.startsWith(word));
}

/** Edits from one word to the other: inserted, deleted, replaced, or two neighbours swapped (optimal string alignment). */
function distance(from: string, to: string): number {
  let older: number[] = [];
  let before = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const now = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      let edits = Math.min((before[column] ?? 0) + 1, (now[column - 1] ?? 0) + 1, (before[column - 1] ?? 0) + (same ? 0 : 1));
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) edits = Math.min(edits, (older[column - 2] ?? 0) + 1);
      now.push(edits);
    }
    older = before;
    before = now;
  }
  return before[to.length] ?? 0;
}
