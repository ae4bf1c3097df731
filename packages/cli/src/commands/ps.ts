/** `tsc-box ps`: containers, newest first. */
import type { ContainerState } from '@tsc-box/engine';
import { signalName } from '@tsc-box/model';
import { booleanValue, stringValue } from '../args/flag.ts';
import { humanDuration } from '../report/age.ts';
import { formatTable } from '../report/table.ts';
import type { Run } from './command.ts';

const SHORT_ID = 12;
const SHORT_COMMAND = 20;

export const ps: Run = async (parsed, cli) => {
  const all = booleanValue(parsed, 'all');
  const whole = booleanValue(parsed, 'noTrunc');
  const engine = await cli.engine();
  const states = engine.list().filter(({ status }) => all || status === 'running');
  const running = states.filter(({ status }) => status === 'running');
  const life = running.length === 0 ? undefined : await engine.life();
  const paused = new Set(running.filter((state) => life?.isPaused(state)).map(({ id }) => id));
  if (booleanValue(parsed, 'quiet')) cli.write(states.map(({ id }) => `${whole ? id : id.slice(0, SHORT_ID)}\n`).join(''));
  else if (stringValue(parsed, 'format') === 'json') cli.write(states.map((state) => `${JSON.stringify(publicState(state, paused.has(state.id)))}\n`).join(''));
  else cli.write(formatStates(states, whole, Date.now(), paused));
  return 0;
};

/** What programs may rely on: not how the root is put together. */
function publicState({ root: _root, bootId: _bootId, launcher: _launcher, version: _version, config: _config, idMaps: _idMaps, monitor: _monitor, settled: _settled, ...state }: ContainerState, paused: boolean): object {
  return { ...state, ...(paused ? { paused } : {}) };
}

/** `now`: milliseconds since 1970. */
export function formatStates(states: readonly ContainerState[], whole: boolean, now: number, paused: ReadonlySet<string> = new Set()): string {
  const rows = states.map((state) => [
    whole ? state.id : state.id.slice(0, SHORT_ID), state.image, formatCommand(state.command, whole),
    `${humanDuration(now - Date.parse(state.createdAt))} ago`, `${formatStatus(state, now)}${paused.has(state.id) ? ' (Paused)' : ''}`, state.name,
  ]);
  return formatTable([['CONTAINER ID', 'IMAGE', 'COMMAND', 'CREATED', 'STATUS', 'NAMES'], ...rows]);
}

function formatCommand(command: readonly string[], whole: boolean): string {
  const text = command.join(' ').replaceAll(/\p{Cc}/gu, ' ');
  return `"${whole || text.length <= SHORT_COMMAND ? text : `${text.slice(0, SHORT_COMMAND - 1)}…`}"`;
}

export function formatStatus(state: Pick<ContainerState, 'status' | 'startedAt' | 'finishedAt' | 'exitCode' | 'signal' | 'oomKilled'>, now: number): string {
  if (state.status === 'created') return 'Created';
  if (state.status === 'running') return `Up ${humanDuration(now - Date.parse(state.startedAt ?? ''))}`;
  const ago = state.finishedAt === undefined ? '' : ` ${humanDuration(now - Date.parse(state.finishedAt))} ago`;
  const why = state.oomKilled === true ? ', out of memory' : state.signal === undefined ? '' : `, ${signalName(state.signal) ?? `signal ${state.signal}`}`;
  return `Exited (${state.exitCode ?? '?'}${why})${ago}`;
}
