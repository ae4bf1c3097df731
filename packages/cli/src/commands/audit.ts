/** `tsc-box audit`: what a container, or what `run` would make, keeps apart and what not. */
import { auditSpec, BoxError, type AuditFinding, type Spec } from '@tsc-box/model';
import { booleanValue } from '../args/flag.ts';
import { formatTable } from '../report/table.ts';
import type { Run } from './command.ts';
import { requestFrom } from './request.ts';

export const audit: Run = async (parsed, cli) => {
  const { root, runRoot } = await cli.engine();
  const spec = await specOf(parsed, cli);
  // Its own files, such as /etc/hosts, are no files of the machine.
  const isOwn = (source = ''): boolean => [root, runRoot].some((directory) => source.startsWith(`${directory}/`));
  const findings = auditSpec({ ...spec, ...(spec.mounts === undefined ? {} : { mounts: spec.mounts.filter(({ source }) => !isOwn(source)) }) });
  if (booleanValue(parsed, 'json')) cli.write(`${JSON.stringify(findings, undefined, 2)}\n`);
  else cli.write(formatFindings(findings));
  return 0;
};

/** A container of that name or id, or else an image with the options of run. */
async function specOf(parsed: Parameters<Run>[0], cli: Parameters<Run>[1]): Promise<Spec> {
  const engine = await cli.engine();
  const [name = '', ...rest] = parsed.positionals;
  const options = Object.keys(parsed.values).filter((key) => !['json', 'root', 'system', 'errorFormat'].includes(key));
  if (options.length === 0 && rest.length === 0) {
    try {
      return (await engine.life()).spec(name);
    } catch (error) {
      if (!(error instanceof BoxError) || error.code !== 'ERR_TSCBOX_CONTAINER_NOT_FOUND') throw error;
    }
  }
  const request = requestFrom('audit', parsed, cli);
  return engine.spec(request.command.length > 0 || request.bundle !== undefined ? request : { ...request, command: ['true'] });
}

const SIGNS: Readonly<Record<AuditFinding['severity'], string>> = { none: '', low: 'low', medium: 'MEDIUM', high: 'HIGH' };

export function formatFindings(findings: readonly AuditFinding[]): string {
  const rows = findings.map(({ area, item, state, severity, text, flag }) => [area.toUpperCase(), item, state, SIGNS[severity], `${text}${flag === undefined ? '' : ` (${severity === 'none' ? 'to change: ' : 'better: '}${flag})`}`]);
  const count = (severity: AuditFinding['severity']): string => `${String(findings.filter((finding) => finding.severity === severity).length)} ${severity}`;
  return `${formatTable([['AREA', 'WHAT', 'STATE', 'SEVERITY', 'MEANING'], ...rows])}\n${count('high')}, ${count('medium')}, ${count('low')}\n`;
}
