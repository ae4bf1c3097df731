/** Measures subjects in turns, so that a busy moment of the machine hits all of them alike. */
export interface Subject {
  readonly name: string;
  /** One run, start to exit. Returns its time in milliseconds. */
  run(): number | Promise<number>;
}

export interface Timing {
  readonly name: string;
  readonly runs: number;
  /** Milliseconds. */
  readonly best: number;
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
}

const quantile = (sorted: readonly number[], part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;

export const median = (values: readonly number[]): number => quantile(values.toSorted((a, b) => a - b), 0.5);

/** `warmup` rounds that don't count, then `rounds` that do; each round runs every subject once. */
export async function alternate(subjects: readonly Subject[], rounds: number, warmup: number): Promise<readonly Timing[]> {
  const times = new Map<string, number[]>(subjects.map(({ name }) => [name, []]));
  for (let round = -warmup; round < rounds; round++) {
    for (const subject of subjects) {
      const time = await subject.run();
      if (round >= 0) times.get(subject.name)?.push(time);
    }
  }
  return [...times].map(([name, values]) => {
    const sorted = values.toSorted((a, b) => a - b);
    return { name, runs: values.length, best: quantile(sorted, 0), median: quantile(sorted, 0.5), p10: quantile(sorted, 0.1), p90: quantile(sorted, 0.9) };
  });
}

export const now = (): number => performance.now();
