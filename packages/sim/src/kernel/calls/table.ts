/** All calls, by name. */
import type { Call, CallArguments, CallName, CallResult, CallValue } from '../../abi/calls.ts';
import type { Blocked, Task } from '../types.ts';
import { FILE_CALLS } from './files.ts';
import { IDENTITY_CALLS } from './identity.ts';
import { MACHINE_CALLS } from './machine.ts';
import { MOUNT_CALLS } from './mounts.ts';
import { NAME_CALLS } from './names.ts';
import { PROCESS_CALLS } from './process.ts';

export type Handler<C extends CallName> = (task: Task, args: CallArguments<C>) => CallValue<C> | number | Blocked;
export type Handlers<C extends CallName> = { readonly [K in C]: Handler<K> };

const HANDLERS: Handlers<CallName> = { ...FILE_CALLS, ...NAME_CALLS, ...PROCESS_CALLS, ...IDENTITY_CALLS, ...MACHINE_CALLS, ...MOUNT_CALLS };

export function callHandler(task: Task, call: Call): CallResult | Blocked {
  // The pair (name, arguments) is tied by the call; TypeScript can't follow that through the union.
  const handler = HANDLERS[call.call] as (task: Task, args: Call) => CallResult | Blocked;
  return handler(task, call);
}
