/** `tsc-box plan`: the launch plan, as text or JSON. */
import { formatPlan } from '@tsc-box/model';
import { booleanValue } from '../args/flag.ts';
import type { Run } from './command.ts';
import { requestFrom } from './request.ts';

export const plan: Run = async (parsed, cli) => {
  const request = requestFrom('plan', parsed, cli);
  const launchPlan = await (await cli.engine()).plan(request);
  cli.write(booleanValue(parsed, 'json') ? `${JSON.stringify(launchPlan, null, 2)}\n` : formatPlan(launchPlan));
  return 0;
};
