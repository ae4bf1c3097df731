/** What the plan compiler must know of this host: reads of /proc and /sys only, no subprocess, no library loaded. */
import { realpathSync, statSync } from 'node:fs';
import { UnsupportedError, type Facts, type IdRange } from '@tsc-box/model';
import { probeCgroups } from './cgroups.ts';
import { exists, readText } from './files.ts';
import { capabilityNames, parseHardLimits, parseMountinfo, parseStatus, parseSubIds } from './parse.ts';

const LIBRARY_DIRECTORIES = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/lib/x86_64-linux-gnu', '/lib/aarch64-linux-gnu', '/lib64', '/usr/lib', '/lib', '/usr/local/lib'];

/** What the plan compiler must know of this machine. Reads a dozen files of /proc and /sys; nothing is tried out but a directory for cgroups. */
export function probeFacts(): Facts {
  const status = parseStatus(readText('/proc/self/status') ?? '');
  const mountinfo = readText('/proc/self/mountinfo') ?? '';
  const mask = (field: string): bigint => BigInt(`0x${status.get(field) ?? '0'}`);
  const kernel = kernelVersion(readText('/proc/sys/kernel/osrelease') ?? '');
  const id = (field: string): number => Number((status.get(field) ?? '0').split('\t')[1] ?? 0);
  const [uid, gid] = [id('Uid'), id('Gid')];
  const privileged = ((mask('CapEff') >> 21n) & 1n) === 1n; // CAP_SYS_ADMIN
  const username = usernameOf(uid);
  return {
    architecture: architecture(),
    kernel,
    uid,
    gid,
    ...(username === undefined ? {} : { username }),
    privileged,
    capabilities: capabilityNames(mask('CapPrm') & mask('CapBnd')),
    lastCapability: Number(readText('/proc/sys/kernel/cap_last_cap') ?? '40'),
    userNamespaces: userNamespaces(privileged),
    subuid: subIds('/etc/subuid', '/usr/bin/newuidmap', uid, username),
    subgid: subIds('/etc/subgid', '/usr/bin/newgidmap', uid, username),
    // execve enters a time namespace since Linux 6.3.
    timeNamespaces: exists('/proc/self/ns/time') && (kernel[0] > 6 || (kernel[0] === 6 && kernel[1] >= 3)),
    overlay: overlay(kernel, privileged),
    pivotRoot: parseMountinfo(mountinfo).findLast(({ mountpoint }) => mountpoint === '/')?.fstype !== 'rootfs',
    cgroup: probeCgroups(mountinfo, readText('/proc/self/cgroup') ?? '', privileged && uid === 0),
    swap: (readText('/proc/swaps') ?? '').trim().split('\n').length > 1,
    seccomp: { filter: status.has('Seccomp') && exists('/proc/sys/kernel/seccomp/actions_avail'), libseccomp: findLibseccomp() },
    lsm: (readText('/sys/kernel/security/lsm') ?? '').trim().split(',').filter((name) => name !== ''),
    hardRlimits: parseHardLimits(readText('/proc/self/limits') ?? ''),
    cpus: countCpus(status.get('Cpus_allowed_list') ?? '0'),
  };
}

function architecture(): Facts['architecture'] {
  if (process.arch === 'x64' || process.arch === 'arm64') return process.arch;
  throw new UnsupportedError({ attempted: 'probe this host', reason: `its architecture is ${process.arch}, supported: x64, arm64` });
}

export function kernelVersion(release: string): readonly [number, number] {
  const match = /^(\d+)\.(\d+)/.exec(release);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

/** `0-3,8` is 5. */
export function countCpus(list: string): number {
  let count = 0;
  for (const part of list.split(',')) {
    const [first = '0', last = first] = part.split('-');
    count += Number(last) - Number(first) + 1;
  }
  return count;
}

/** Sysctls that forbid user namespaces: user_namespaces(7), namespaces(7), and those of Debian and Ubuntu kernels. */
export function userNamespaces(privileged: boolean, read: (path: string) => string | undefined = readText): Facts['userNamespaces'] {
  const value = (name: string): string | undefined => read(`/proc/sys/${name.replaceAll('.', '/')}`)?.trim();
  const refuse = (name: string, found: string, good: string): Facts['userNamespaces'] => ({ usable: false, refusal: `sysctl ${name} is ${found}`, hint: `as root: sysctl -w ${name}=${good}` });
  const max = value('user.max_user_namespaces');
  if (max === undefined) return { usable: false, refusal: 'the kernel has no user namespaces (CONFIG_USER_NS)' };
  if (max === '0') return refuse('user.max_user_namespaces', '0', '15000');
  if (privileged) return { usable: true };
  if (value('kernel.unprivileged_userns_clone') === '0') return refuse('kernel.unprivileged_userns_clone', '0', '1');
  if (value('kernel.apparmor_restrict_unprivileged_userns') === '1') return refuse('kernel.apparmor_restrict_unprivileged_userns', '1', '0');
  return { usable: true };
}

function usernameOf(uid: number): string | undefined {
  for (const line of (readText('/etc/passwd') ?? '').split('\n')) {
    const [name, , id] = line.split(':');
    if (id === String(uid) && name !== undefined) return name;
  }
  return undefined;
}

/** Only useful with the helper: setuid, or with a file capability, which stat can't show: then a non-setuid helper is trusted. */
function subIds(file: string, helper: string, uid: number, username: string | undefined): readonly IdRange[] {
  const text = readText(file);
  if (text === undefined || text === '') return [];
  return statSync(helper, { throwIfNoEntry: false }) === undefined ? [] : parseSubIds(text, uid, username);
}

/** Overlay in a user namespace since 5.11, lowerdir+ since 6.5 (Documentation/filesystems/overlayfs.rst). */
function overlay([major, minor]: readonly [number, number], privileged: boolean): Facts['overlay'] {
  const since = (m: number, n: number): boolean => major > m || (major === m && minor >= n);
  const release = (readText('/proc/sys/kernel/osrelease') ?? '').trim();
  const known = /\toverlay$/m.test(readText('/proc/filesystems') ?? '') || exists(`/lib/modules/${release}/kernel/fs/overlayfs`);
  if (!known) return { api: 'none', refusal: 'overlay is not in /proc/filesystems and not a module of this kernel' };
  if (!privileged && !since(5, 11)) return { api: 'none', refusal: `Linux ${String(major)}.${String(minor)} has no overlay in user namespaces; it came with 5.11` };
  return { api: since(6, 5) ? 'lowerdir+' : 'mount' };
}

/** The file behind libseccomp.so.2: its name holds the version. Loading it is left to the first profile. */
function findLibseccomp(): string | undefined {
  const directory = LIBRARY_DIRECTORIES.find((path) => exists(`${path}/libseccomp.so.2`));
  return directory === undefined ? undefined : realpathSync(`${directory}/libseccomp.so.2`);
}
