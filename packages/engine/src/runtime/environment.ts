/** What the runtime adds to the environment of a process: HOME, and the descriptors of socket activation. */
import { resolveUser, type SpecProcess } from '@tsc-box/model';
import type { Runtime } from './types.ts';

const PASSWD_MAX = 1024 * 1024;

/** HOME from the root's own /etc/passwd where it is not set, or set to nothing (runc#4688). */
export function withHome({ system, warn }: Runtime, process: SpecProcess, rootfs: string): SpecProcess {
  const env = process.env ?? [];
  if (env.some((entry) => entry.startsWith('HOME=') && entry !== 'HOME=')) return process;
  let home = '/';
  try {
    const bytes = system.readLayerFile([rootfs], '/etc/passwd', PASSWD_MAX);
    home = resolveUser(String(process.user.uid), { passwd: bytes === undefined ? undefined : new TextDecoder().decode(bytes), group: undefined }).home;
  } catch (error) {
    warn(`HOME is "/": ${error instanceof Error ? error.message : String(error)}`);
  }
  return { ...process, env: [...env.filter((entry) => entry !== 'HOME='), `HOME=${home}`] };
}

/** sd_listen_fds(3): descriptors from 3 on, for process 1 of the container. */
export function withListenFds(process: SpecProcess, count: number): SpecProcess {
  return count === 0 ? process : { ...process, env: [...(process.env ?? []), `LISTEN_FDS=${String(count)}`, 'LISTEN_PID=1'] };
}
