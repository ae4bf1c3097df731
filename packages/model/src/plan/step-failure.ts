/** From a refused step to its typed error: the same for each System. */
import { SyscallError } from '../errors/box-error.ts';
import { explainStep } from './causes.ts';
import type { Facts } from './facts.ts';
import { formatCall } from './format.ts';
import type { ChildStep } from './plan.ts';

/** The typed error of a refused step, with its cause and what to do where the table of causes knows them. */
export function stepError(step: ChildStep, errno: string, facts: Facts): SyscallError {
  const cause = explainStep(step, errno, facts);
  return new SyscallError({
    attempted: `${step.why}: ${formatCall(step.call, step.args)}`, step: step.id, syscall: step.call, errno,
    args: { ...step.args }, path: pathOf(step), reason: cause?.reason, hint: cause?.hint,
  });
}

function pathOf(step: ChildStep): string | undefined {
  const { args } = step;
  if ('path' in args && args.path.startsWith('/')) return args.path;
  if ('target' in args && args.target.startsWith('/')) return args.target;
  return undefined;
}
