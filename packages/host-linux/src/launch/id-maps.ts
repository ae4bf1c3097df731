/** uid_map, gid_map and setgroups of a new user namespace: user_namespaces(7). */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { SyscallError, UnsupportedError, type ClonePlan, type IdMapping } from '@tsc-box/model';

type IdMaps = NonNullable<ClonePlan['idMaps']>;

/** ORDER: setgroups before gid_map, or the kernel refuses an ordinary user's gid_map. */
export function writeIdMaps(pid: number, maps: IdMaps): void {
  if (maps.writer === 'newuidmap') {
    runHelper('newuidmap', pid, maps.uid);
    runHelper('newgidmap', pid, maps.gid);
    return;
  }
  if (maps.setgroups === 'deny') writeMap(pid, 'setgroups', 'deny');
  writeMap(pid, 'uid_map', lines(maps.uid));
  writeMap(pid, 'gid_map', lines(maps.gid));
}

function lines(maps: readonly IdMapping[]): string {
  return maps.map((map) => `${map.containerID} ${map.hostID} ${map.size}\n`).join('');
}

function writeMap(pid: number, file: string, data: string): void {
  const path = `/proc/${pid}/${file}`;
  try {
    writeFileSync(path, data);
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code;
    const reason = errno === 'EPERM' ? 'these ids may not be mapped by this user' : errno === 'EINVAL' ? 'ranges overlap, or there are too many' : undefined;
    throw new SyscallError({ attempted: `write ${JSON.stringify(data.trim())} to "${path}"`, step: 'clone.id-maps', syscall: 'write', errno, path, reason, cause: error });
  }
}

/** The setuid helpers of the package uidmap check the ranges against /etc/subuid and /etc/subgid. */
function runHelper(helper: 'newuidmap' | 'newgidmap', pid: number, maps: readonly IdMapping[]): void {
  const args = [String(pid), ...maps.flatMap((map) => [map.containerID, map.hostID, map.size].map(String))];
  const result = spawnSync(helper, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  if (result.status === 0) return;
  const said = result.error === undefined ? result.stderr.trim() : result.error.message;
  throw new UnsupportedError({
    attempted: `map ids with ${[helper, ...args].join(' ')}`, step: 'clone.id-maps', detail: said,
    hint: `check that ${helper} is installed setuid root (package uidmap) and that /etc/sub${helper === 'newuidmap' ? 'uid' : 'gid'} grants the range to this user`,
  });
}
