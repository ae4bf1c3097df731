/** The virtual clock: whole nanoseconds since boot, moved by the scheduler alone, and the timers on it. */

export interface Timer {
  readonly at: number;
  readonly sequence: number;
  readonly fire: () => void;
  cancelled: boolean;
}

export interface Clock {
  /** Nanoseconds since boot. */
  now: number;
  /** Seconds since 1970 at boot; clock_settime(2) changes it for the whole machine. */
  bootSeconds: number;
  bootNanoseconds: number;
  /** When the next timer is due: Infinity without one. */
  next: number;
  after(duration: number, fire: () => void): Timer;
  cancel(timer: Timer): void;
  /** Fires what is due at `now`, in order of time, then of setting. */
  fireDue(): void;
}

export const SECOND = 1_000_000_000;

/** `boot`: seconds since 1970. */
export function openClock(boot: number): Clock {
  // A binary heap by time, then by the order of setting.
  const heap: Timer[] = [];
  let sequence = 0;
  const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
  const push = (timer: Timer): void => {
    let index = heap.length;
    heap.push(timer);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(timer, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
  };
  const pop = (): Timer | undefined => {
    const [top] = heap;
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      const right = heap[child + 1];
      let least = heap[child];
      if (least === undefined) break;
      if (right !== undefined && before(right, least)) {
        least = right;
        child += 1;
      }
      if (!before(least, last)) break;
      heap[index] = least;
      index = child;
    }
    heap[index] = last;
    return top;
  };
  const settle = (): void => {
    while (heap[0]?.cancelled === true) pop();
    clock.next = heap[0]?.at ?? Infinity;
  };
  const clock: Clock = {
    now: 0, bootSeconds: boot, bootNanoseconds: 0, next: Infinity,
    after(duration, fire) {
      sequence += 1;
      const timer: Timer = { at: clock.now + Math.max(0, Math.round(duration)), sequence, fire, cancelled: false };
      push(timer);
      if (timer.at < clock.next) clock.next = timer.at;
      return timer;
    },
    cancel(timer) {
      timer.cancelled = true;
      if (heap[0] === timer) settle();
    },
    fireDue() {
      while (clock.next <= clock.now) {
        const timer = pop();
        settle();
        if (timer !== undefined && !timer.cancelled) timer.fire();
      }
    },
  };
  return clock;
}

/** CLOCK_REALTIME of now. */
export function wallTime(clock: Clock): { readonly seconds: number; readonly nanoseconds: number } {
  const total = clock.bootNanoseconds + (clock.now % SECOND);
  const carry = total >= SECOND ? 1 : 0;
  return { seconds: clock.bootSeconds + Math.floor(clock.now / SECOND) + carry, nanoseconds: total - carry * SECOND };
}

/** clock_settime(2) of CLOCK_REALTIME. */
export function setWallTime(clock: Clock, seconds: number, nanoseconds: number): void {
  const part = nanoseconds - (clock.now % SECOND);
  clock.bootSeconds = seconds - Math.floor(clock.now / SECOND) - (part < 0 ? 1 : 0);
  clock.bootNanoseconds = part < 0 ? part + SECOND : part;
}
