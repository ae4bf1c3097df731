/** What a terminal shows while images come and go. */

export type BlobState = 'waiting' | 'exists' | 'downloading' | 'verifying' | 'uploading' | 'mounted' | 'done' | 'unpacking' | 'unpacked';

export interface BlobProgress {
  readonly digest: string;
  readonly kind: 'config' | 'layer';
  readonly state: BlobState;
  /** Bytes. */
  readonly current: number;
  /** Bytes. */
  readonly total: number;
}

export type Report = (state: BlobState, current: number) => void;

/** Runs `work` on each item, at most `width` at a time. The first failure is thrown when all that had begun have ended. */
export async function eachOf<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined && failures.length === 0; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
