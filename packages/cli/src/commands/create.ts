/** `tsc-box create`, and `run -d`: containers that are left behind. */
import { UsageError } from '@tsc-box/model';
import type { CreateRequest } from '@tsc-box/engine';
import { booleanValue, stringValue, type Parsed } from '../args/flag.ts';
import type { Cli, Run } from './command.ts';
import { requestFrom } from './request.ts';
import { parseRestart } from './restart-policy.ts';
import { progressOf } from './run-progress.ts';

export const create: Run = async (parsed, cli) => {
  const life = await (await cli.engine()).life();
  cli.write(`${(await life.create(await createRequest('create', parsed, cli))).id}\n`);
  return 0;
};

export async function runDetached(parsed: Parsed, cli: Cli): Promise<number> {
  const life = await (await cli.engine()).life();
  cli.write(`${(await life.run(await createRequest('run', parsed, cli))).id}\n`);
  return 0;
}

async function createRequest(command: string, parsed: Parsed, cli: Cli): Promise<CreateRequest> {
  const request = requestFrom(command, parsed, cli);
  const restart = stringValue(parsed, 'restart');
  return { ...request, ...(await progressOf(request)), ...(restart === undefined ? {} : { restart: parseRestart(restart) }) };
}

/** What only a container that is left behind can have. @throws UsageError */
export function refuseDetachedOnly(parsed: Parsed): void {
  if (booleanValue(parsed, 'detach')) return;
  const restart = stringValue(parsed, 'restart');
  if (restart !== undefined && parseRestart(restart).name !== 'no') throw new UsageError({ attempted: 'read --restart', detail: `found "${restart}" for a container in the foreground, allowed: no`, hint: 'add -d: a container in the foreground ends with this command' });
}
