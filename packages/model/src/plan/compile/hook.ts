/** `compileHook`: a program of the host inside the namespaces of a container that is being made. config.md, "CreateContainer Hooks". */
import type { Spec } from '../../spec/spec.ts';
import { SYSTEM_SLOTS, type LaunchPlan } from '../plan.ts';
import { createBuilder, slot } from './builder.ts';
import { addJoin, JOIN_ORDER } from './namespaces.ts';

export interface HookTarget {
  readonly pid: number;
  readonly startTime: number;
  readonly spec: Spec;
}

const TARGET_SLOT = 'target';

/** Its root is that of the process: the host's own, seen in the container's mount namespace. */
export function compileHook(hook: { readonly path: string; readonly args?: readonly string[]; readonly env?: readonly string[] }, target: HookTarget): LaunchPlan {
  const b = createBuilder();
  const types = new Set<string>(target.spec.linux?.namespaces?.map(({ type }) => type) ?? []);
  for (const type of JOIN_ORDER) if (types.has(type) && type !== 'time' && type !== 'user' && type !== 'mount') addJoin(b, type, slot(TARGET_SLOT));
  if (types.has('pid')) b.add('ns.clone', 'clone3', { flags: [] }, 'a process that stands in the pid namespace');
  addJoin(b, 'mount', slot(TARGET_SLOT));
  b.add('session', 'setsid', {}, 'leave the terminal and session of the launcher', { onError: { action: 'ignore', errno: 'EPERM' } });
  for (const [fd, name] of [SYSTEM_SLOTS.stdin, SYSTEM_SLOTS.stdout, SYSTEM_SLOTS.stderr].entries()) b.add(`stdio.${fd}`, 'dup3', { from: slot(name), to: fd }, `standard stream ${fd}`);
  b.add('fds.close', 'close_range', { first: 3, flags: [] }, 'no descriptor of the launcher leaks');
  b.add('signals.unblock', 'rt_sigprocmask', { how: 'SIG_SETMASK', set: [] }, 'blocked since the clone');
  b.add('exec', 'execve', { candidates: [hook.path], argv: hook.args === undefined || hook.args.length === 0 ? [hook.path] : hook.args, envp: hook.env ?? [] }, 'become the hook');
  return {
    version: 1, id: 'hook', terminal: false, clone: { flags: [] }, child: b.finish(), warnings: [],
    prepare: [{ id: 'target', call: 'pidfd_open', args: { pid: target.pid, startTime: target.startTime }, why: 'the container', result: TARGET_SLOT }],
  };
}
