/** `tsc-box top`: the processes of a container, as ps(1) shows them. */
import type { ContainerProcess } from '@tsc-box/model';
import { booleanValue } from '../args/flag.ts';
import { formatTable } from '../report/table.ts';
import type { Run } from './command.ts';

const DAY_MS = 86_400_000;

export const top: Run = async (parsed, cli) => {
  const processes = (await (await cli.engine()).life()).top(parsed.positionals[0] ?? '');
  if (booleanValue(parsed, 'json')) cli.write(`${JSON.stringify(processes, undefined, 2)}\n`);
  else cli.write(formatProcesses(processes, Date.now()));
  return 0;
};

/** `now`: milliseconds since 1970. PID is the host's, NSPID the container's own. */
export function formatProcesses(processes: readonly ContainerProcess[], now: number): string {
  const rows = [...processes].sort((a, b) => a.pid - b.pid).map(({ pid, parent, pidInside, uid, state, cpuTimeUs, memory, startedAt, terminal, command }) => [
    String(uid), String(pid), String(parent), String(pidInside), state, String(Math.round(memory / 1024)), startText(startedAt, now), terminal, timeText(cpuTimeUs), command.replaceAll(/\p{Cc}/gu, '?'),
  ]);
  return formatTable([['UID', 'PID', 'PPID', 'NSPID', 'STAT', 'RSS', 'STIME', 'TTY', 'TIME', 'CMD'], ...rows]);
}

/** The time of a day, or the day for what began longer ago. */
function startText(startedAt: number, now: number): string {
  const iso = new Date(startedAt - new Date(startedAt).getTimezoneOffset() * 60_000).toISOString();
  return now - startedAt < DAY_MS ? iso.slice(11, 16) : iso.slice(5, 10);
}

function timeText(microseconds: number): string {
  const seconds = Math.floor(microseconds / 1e6);
  return [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) => String(Math.floor(part)).padStart(2, '0')).join(':');
}
