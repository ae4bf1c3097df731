/** Collects child steps and keeps their ids unique. */
import { assert } from '../../errors/box-error.ts';
import type { CallArgs, CallName, ChildStep, Fd, OnError } from '../plan.ts';

export interface StepOptions {
  readonly result?: string;
  readonly onError?: OnError;
  readonly onSuccess?: string;
}

export interface PlanBuilder {
  readonly steps: ChildStep[];
  readonly warnings: string[];
  add<C extends CallName>(id: string, call: C, args: CallArgs[C], why: string, options?: StepOptions): void;
}

const FAIL: OnError = { action: 'fail' };
export const IGNORE: OnError = { action: 'ignore' };

/** A descriptor that an earlier step left in a slot. */
export function slot(name: string): Fd {
  return { slot: name };
}

export function createBuilder(): PlanBuilder {
  const steps: ChildStep[] = [];
  const ids = new Set<string>();
  return {
    steps,
    warnings: [],
    add(id, call, args, why, options = {}) {
      assert(!ids.has(id), `step ids are unique (${id})`);
      ids.add(id);
      const step = { id, call, args, why, ...(options.result === undefined ? {} : { result: options.result }), onError: options.onError ?? FAIL, ...(options.onSuccess === undefined ? {} : { onSuccess: options.onSuccess }) };
      // The pair (call, args) is tied by C; TypeScript can't follow that through the union.
      steps.push(step as ChildStep);
    },
  };
}
