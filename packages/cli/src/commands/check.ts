/** `tsc-box check`: every need of a plan and whether this host meets it. */
import type { CheckResult } from '@tsc-box/model';
import { booleanValue } from '../args/flag.ts';
import type { Style } from '../report/style.ts';
import type { Run } from './command.ts';
import { requestFrom } from './request.ts';

/** As grep and diff have it: the answer is no, which is not a failure of tsc-box. */
const WOULD_FAIL = 1;

export const check: Run = async (parsed, cli) => {
  const results = await (await cli.engine()).check(requestFrom('check', parsed, cli));
  cli.write(booleanValue(parsed, 'json') ? `${JSON.stringify(results, null, 2)}\n` : formatChecks(results, cli.style));
  return results.every(({ ok }) => ok) ? 0 : WOULD_FAIL;
};

export function formatChecks(results: readonly CheckResult[], style: Style): string {
  const lines: string[] = [];
  for (const { step, what, ok, reason, hint } of results) {
    const why = reason === undefined ? '' : `: ${reason}`;
    lines.push(`${ok ? style('green', 'ok  ') : style('red', 'FAIL')}  ${style('bold', step)}  ${what}${why}`);
    if (!ok && hint !== undefined) lines.push(`      ${style('cyan', 'hint:')} ${hint}`);
  }
  const failed = results.filter(({ ok }) => !ok).length;
  lines.push('', failed === 0 ? `this host lacks nothing for this container${results.some(({ step }) => step === 'exec') ? '' : ' (whether the command is there can not be known before)'}` : `${failed} of ${results.length} checks failed: run would fail at ${results.find(({ ok }) => !ok)?.step ?? ''}`);
  return `${lines.join('\n')}\n`;
}
