/** Looks for processes by their parents and names, in /proc: proc(5). */
import { readdirSync, readFileSync } from 'node:fs';
import { waitFor } from '../cli/command.ts';

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly state: string;
}

/** All processes that can be seen now. */
export function listAll(): readonly Process[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      // The name is in parentheses and may hold some itself.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [{ pid: Number(pid), parent: Number(parent), name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')), state }];
    } catch {
      return [];
    }
  });
}

/** Children, their children and so on. */
export function descendants(pid: number): readonly Process[] {
  const all = listAll();
  const below = (parent: number): Process[] => all.filter((process) => process.parent === parent).flatMap((process) => [process, ...below(process.pid)]);
  return below(pid);
}

/** Waits for a process of this name below the command, and gives its pid on this machine. */
export function containerProcess(command: number, name: string): Promise<number> {
  return waitFor(`a process "${name}" below ${String(command)}`, () => descendants(command).find((process) => process.name === name)?.pid);
}
