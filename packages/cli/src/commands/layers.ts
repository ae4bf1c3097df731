/** `tsc-box layers`: what the layers of an image or a container hold, hide and waste. */
import { EXIT_CODES } from '@tsc-box/model';
import type { LayerReport, WhyStep } from '@tsc-box/engine';
import { booleanValue, stringValue } from '../args/flag.ts';
import { humanSize } from '../report/bytes.ts';
import { formatTable } from '../report/table.ts';
import type { Run } from './command.ts';

export const layers: Run = async (parsed, cli) => {
  const name = parsed.positionals[0] ?? '';
  const path = stringValue(parsed, 'why');
  const json = booleanValue(parsed, 'json');
  const images = await (await cli.engine()).images();
  if (path !== undefined) {
    const steps = await images.why(name, path);
    cli.write(json ? `${JSON.stringify(steps)}\n` : formatWhy(path, steps));
    return steps.length > 0 ? 0 : EXIT_CODES.failure;
  }
  const report = await images.layers(name);
  cli.write(json ? `${JSON.stringify(report)}\n` : formatLayers(report));
  return 0;
};

const SHORT_ID = 12;
const SHORT_COMMAND = 40;

export function formatLayers(report: readonly LayerReport[]): string {
  const rows = report.map(({ role, chainId, size, added, changed, deleted, wasted, createdBy = '' }, index) => [
    String(index), role, chainId?.slice(0, SHORT_ID) ?? '', humanSize(size), String(added), String(changed), String(deleted), humanSize(wasted), createdBy.replaceAll(/\p{Cc}+/gu, ' ').slice(0, SHORT_COMMAND),
  ]);
  const wasted = report.reduce((sum, layer) => sum + layer.wasted, 0);
  const size = report.reduce((sum, layer) => sum + layer.size, 0);
  return `${formatTable([['LAYER', 'ROLE', 'CHAIN ID', 'SIZE', 'A', 'C', 'D', 'WASTED', 'CREATED BY'], ...rows])}${humanSize(size)} in ${String(report.length)} layers, of which ${humanSize(wasted)} can't be seen\n`;
}

/** Paths may hold anything: a newline would look like another line. */
const show = (path: string): string => (/\p{Cc}/u.test(path) ? JSON.stringify(path) : path);

export function formatWhy(path: string, steps: readonly WhyStep[]): string {
  if (steps.length === 0) return `${show(path)}: no layer has it\n`;
  const seen = steps.some(({ visible }) => visible);
  const lines = steps.map(({ layer, role, found, visible, hiddenBy }) => {
    const what = `layer ${String(layer)} (${role}): ${found}`;
    if (visible) return `${what}, seen`;
    if (hiddenBy === undefined) return `${what}, hides what is below`;
    return `${what}, hidden by layer ${String(hiddenBy.layer)}: ${hiddenBy.found} ${show(hiddenBy.path)}`;
  });
  return `${show(path)}: ${seen ? 'is seen' : 'is not seen'}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}
