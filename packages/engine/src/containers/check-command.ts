/** Whether the command is there: `check` foretells the exit codes 126 and 127 of `run`. */
import type { CheckResult, LaunchPlan, RootPlan, Spec, System } from '@tsc-box/model';

/** Undefined where it can't be known before: the command lies on a mount, or the plan executes nothing by itself. */
export function checkCommand(system: System, plan: LaunchPlan, spec: Spec, root: RootPlan): CheckResult | undefined {
  const exec = plan.child.findLast((step) => step.call === 'execve');
  const [name] = spec.process?.args ?? [];
  if (exec?.call !== 'execve' || name === undefined) return undefined;
  const cwd = spec.process?.cwd ?? '/';
  const candidates = exec.args.candidates.map((path) => (path.startsWith('/') ? path : `${cwd}/${path}`));
  if (candidates.some((path) => (spec.mounts ?? []).some(({ destination }) => destination !== '/' && path.startsWith(`${destination.replace(/\/$/, '')}/`)))) return undefined;
  const layers = root.kind === 'directory' ? [root.path] : (root.overlays.find(({ at }) => at === '/')?.lowerdirs ?? []);
  const found = candidates.map((path) => ({ path, stat: system.statLayerFile(layers, path) })).filter(({ stat }) => stat !== undefined);
  const what = `the command "${name}"`;
  const good = found.find(({ stat }) => stat?.kind === 'file' && (stat.mode & 0o111) !== 0);
  if (good !== undefined) return { step: 'exec', what: `${what}: ${good.path}`, ok: true };
  const [first] = found;
  if (first !== undefined) return { step: 'exec', what, ok: false, reason: `"${first.path}" ${first.stat?.kind === 'directory' ? 'is a directory' : first.stat?.kind === 'file' ? 'may not be executed: none has the x permission' : 'is no regular file'}; run would exit with 126` };
  return { step: 'exec', what, ok: false, reason: `the root has none of ${candidates.join(', ')}; run would exit with 127`, hint: 'name a command that the image has, or its whole path' };
}
