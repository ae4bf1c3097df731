/** Which failures pass, and how long to wait for that. */

export interface RetryOptions {
  /** In all, the first included. */
  readonly attempts: number;
  /** Milliseconds before the second; each later wait is twice as long. */
  readonly firstMs: number;
  readonly mostMs: number;
  /** Longest that a registry may ask us to wait; beyond it the failure is told at once. */
  readonly retryAfterMsMax: number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export const DEFAULT_RETRY: RetryOptions = { attempts: 6, firstMs: 500, mostMs: 20_000, retryAfterMsMax: 120_000, sleep };

export const isPassing = (status: number): boolean => status === 408 || status === 429 || status === 500 || status === 502 || status === 503 || status === 504;

/** Milliseconds before attempt number `attempt + 1`, or undefined when it is to be given up. */
export function delayBefore(attempt: number, retryAfter: string | null, options: RetryOptions, now: number = Date.now()): number | undefined {
  if (attempt >= options.attempts) return undefined;
  const asked = retryAfterMs(retryAfter, now);
  if (asked !== undefined) return asked > options.retryAfterMsMax ? undefined : asked;
  const most = Math.min(options.mostMs, options.firstMs * 2 ** (attempt - 1));
  // Half of it by chance, so that many clients don't come back at once.
  return most / 2 + (Math.random() * most) / 2;
}

/** RFC 9110 10.2.3: seconds or a date. */
function retryAfterMs(text: string | null, now: number): number | undefined {
  if (text === null || text === '') return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted === true) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}
