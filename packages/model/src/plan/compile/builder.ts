/** Collects child steps and keeps their ids unique. */
import { assert, InternalError } from '../../errors/box-error.ts';
import type { CallArgs, CallName, ChildStep, Fd, OnError } from '../plan.ts';

export interface StepOptions {
  readonly result?: string;
  readonly onError?: OnError;
  readonly onSuccess?: string;
}

export interface PlanBuilder {
  readonly warnings: string[];
  add<C extends CallName>(id: string, call: C, args: CallArgs[C], why: string, options?: StepOptions): void;
  /** Names the step that is added next, as a place to jump to. */
  land(label: string): void;
  /** The steps, with every jump leading to a step's own id. */
  finish(): ChildStep[];
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
  const landings = new Map<string, string>();
  let pending: string[] = [];
  const resolve = (label: string): string => landings.get(label) ?? label;
  return {
    warnings: [],
    add<C extends CallName>(id: string, call: C, args: CallArgs[C], why: string, options?: StepOptions) {
      if (ids.has(id)) throw new InternalError(`keep the invariant: step ids are unique (${id})`);
      ids.add(id);
      for (const label of pending) landings.set(label, id);
      if (pending.length > 0) pending = [];
      const step: { id: string; call: C; args: CallArgs[C]; why: string; result?: string; onError: OnError; onSuccess?: string } = { id, call, args, why, onError: options?.onError ?? FAIL };
      if (options?.result !== undefined) step.result = options.result;
      if (options?.onSuccess !== undefined) step.onSuccess = options.onSuccess;
      // The pair (call, args) is tied by C; TypeScript can't follow that through the union.
      steps.push(step as ChildStep);
    },
    land(label) {
      pending.push(label);
    },
    finish() {
      assert(pending.length === 0, 'a step follows every landing');
      return steps.map((step) => {
        const { onError, onSuccess } = step;
        if (onError.action !== 'jump' && onSuccess === undefined) return step;
        return {
          ...step,
          ...(onError.action === 'jump' ? { onError: { ...onError, to: resolve(onError.to) } } : {}),
          ...(onSuccess === undefined ? {} : { onSuccess: resolve(onSuccess) }),
        };
      });
    },
  };
}
