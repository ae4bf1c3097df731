import { describe, expect, it } from 'vitest';
import type { Call, CallResult, Program } from '../abi/calls.ts';
import { AT_FDCWD, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, MNT_DETACH, MS_BIND, MS_PRIVATE, MS_SHARED, O_CREAT, O_EXCL, O_RDWR, O_WRONLY, SIGCHLD, SIGKILL, SIGSTOP, SIGTERM, WNOHANG, WUNTRACED } from '../abi/constants.ts';
import { EACCES, EBADF, EBUSY, ECHILD, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, EPERM, EPIPE, errnoName, ESRCH } from '../abi/errno.ts';
import { openUnion } from '../vfs/union/union.ts';
import { boot } from './kernel.ts';
import { runUntil } from './sched.ts';
import { createChild } from './task.ts';

type Steps = Generator<Call, CallResult, CallResult>;

/** What a program gives, run as root outside of any container. */
async function result(body: () => Steps): Promise<CallResult> {
  const { kernel, init } = boot(await openUnion(), { seed: 1, cgroup: 'v2', bootTime: 0, hostname: 'sim', faults: [], trace: false, programs: { names: [], find: () => undefined }, machine: { cpus: 2, memory: 2 ** 30, release: '6.18.0', architecture: 'x64' } });
  let value: CallResult = Number.NaN;
  const task = createChild(init, 0, function* probe() {
    // Process 1 handles it.
    yield { call: 'rt_sigaction', signal: SIGCHLD, action: { handler: 'SIG_DFL' } };
    value = yield* body();
    return 0;
  });
  if (typeof task === 'number') throw new Error(errnoName(task));
  runUntil(kernel, () => task.state === 'dead');
  return value;
}

const at = { dirfd: AT_FDCWD };
const child = (body: () => Generator<Call, number, CallResult>): Program => () => body();
function* waits(): Generator<Call, number, CallResult> { yield { call: 'pause' }; return 0; }

/** Calls made in turn; what the last one gives. */
function* inTurn(calls: readonly Call[]): Steps {
  let last: CallResult = 0;
  for (const call of calls) last = yield call;
  return last;
}

const CASES: readonly (readonly [string, readonly Call[], CallResult])[] = [
  ['open(2): a directory is not opened for writing', [{ call: 'openat', ...at, path: '/tmp', flags: O_WRONLY, mode: 0 }], -EISDIR],
  ['open(2): O_EXCL refuses what is there', [{ call: 'mknodat', ...at, path: '/tmp/f', mode: 0o100644, dev: 0 }, { call: 'openat', ...at, path: '/tmp/f', flags: O_CREAT | O_EXCL | O_RDWR, mode: 0o600 }], -EEXIST],
  ['open(2): a slash after a file is ENOTDIR', [{ call: 'mknodat', ...at, path: '/tmp/f', mode: 0o100644, dev: 0 }, { call: 'openat', ...at, path: '/tmp/f/', flags: 0, mode: 0 }], -ENOTDIR],
  ['read(2): a descriptor that is not open is EBADF', [{ call: 'read', fd: 9, count: 1 }], -EBADF],
  ['unlink(2): a missing name is ENOENT', [{ call: 'unlinkat', ...at, path: '/tmp/none', flags: 0 }], -ENOENT],
  ['wait(2): without children it is ECHILD', [{ call: 'wait4', pid: -1, options: 0 }], -ECHILD],
  ['kill(2): a missing process is ESRCH', [{ call: 'kill', pid: 4000, signal: SIGTERM }], -ESRCH],
  ['kill(2): a signal beyond the last is EINVAL', [{ call: 'kill', pid: 1, signal: 99 }], -EINVAL],
  ['setuid(2): an ordinary user becomes no other', [{ call: 'setresuid', ruid: 5, euid: 5, suid: 5 }, { call: 'setresuid', ruid: 6, euid: 6, suid: 6 }], -EPERM],
  ['path_resolution(7): an ordinary user enters no directory of mode 700', [{ call: 'setresuid', ruid: 5, euid: 5, suid: 5 }, { call: 'newfstatat', ...at, path: '/root/x', flags: 0 }], -EACCES],
  ['chmod(2) of another user is EPERM', [{ call: 'setresuid', ruid: 5, euid: 5, suid: 5 }, { call: 'fchmodat', ...at, path: '/tmp', mode: 0o700, flags: 0 }], -EPERM],
  ['sethostname(2) wants CAP_SYS_ADMIN over the uts namespace', [{ call: 'setresuid', ruid: 5, euid: 5, suid: 5 }, { call: 'sethostname', name: 'x' }], -EPERM],
  ['user_namespaces(7): in one of its own an ordinary user may', [{ call: 'setresuid', ruid: 5, euid: 5, suid: 5 }, { call: 'unshare', flags: CLONE_NEWUSER | CLONE_NEWUTS }, { call: 'sethostname', name: 'x' }], 0],
  ['umount(2): what is no mount point is EINVAL', [{ call: 'umount2', target: '/tmp', flags: 0 }], -EINVAL],
  ['umount(2): one with a working directory in it is EBUSY', [{ call: 'mount', source: 't', target: '/srv', fstype: 'tmpfs', flags: 0, data: '' }, { call: 'chdir', path: '/srv' }, { call: 'umount2', target: '/srv', flags: 0 }], -EBUSY],
  ['umount(2): MNT_DETACH lets it go', [{ call: 'mount', source: 't', target: '/srv', fstype: 'tmpfs', flags: 0, data: '' }, { call: 'chdir', path: '/srv' }, { call: 'umount2', target: '/srv', flags: MNT_DETACH }], 0],
  ['pivot_root(2): the new root may not be the old one', [{ call: 'unshare', flags: CLONE_NEWNS }, { call: 'pivot_root', newRoot: '/tmp', putOld: '/tmp' }], -EBUSY],
  ['mount(2): a bind mount shows the same file', [{ call: 'mount', source: '/etc', target: '/srv', fstype: '', flags: MS_BIND, data: '' }, { call: 'mknodat', ...at, path: '/etc/new', mode: 0o100644, dev: 0 }, { call: 'faccessat2', ...at, path: '/srv/new', mode: 0, flags: 0 }], 0],
  ['cgroup-v2.rst: memory.stat is not written to', [{ call: 'openat', ...at, path: '/sys/fs/cgroup/memory.stat', flags: O_WRONLY, mode: 0 }], -EACCES],
];

describe('calls', () => {
  it.each(CASES)('%s', async (_name, calls, expected) => {
    expect(await result(() => inTurn(calls))).toEqual(expected);
  });

  it('pipe(7): a write that nobody can read is EPIPE, and SIGPIPE', async () => {
    expect(await result(function* pipe() {
      yield { call: 'rt_sigaction', signal: 13, action: { handler: 'SIG_IGN' } };
      const ends = yield { call: 'pipe2', flags: 0 };
      const [read, write] = Array.isArray(ends) ? (ends as readonly number[]) : [];
      yield { call: 'close', fd: read ?? -1 };
      return yield { call: 'write', fd: write ?? -1, data: Uint8Array.of(1) };
    })).toBe(-EPIPE);
  });

  it('wait(2): a stopped, then a killed child is told', async () => {
    expect(await result(function* stop() {
      const pid = Number(yield { call: 'clone', flags: 0, child: child(waits) });
      yield { call: 'kill', pid, signal: SIGSTOP };
      const stopped = yield { call: 'wait4', pid, options: WUNTRACED };
      yield { call: 'kill', pid, signal: SIGKILL };
      const killed = yield { call: 'wait4', pid, options: 0 };
      const status = (value: CallResult): number => (typeof value === 'object' && 'status' in value ? value.status : -1);
      return [status(stopped), status(killed)];
    })).toEqual([(SIGSTOP << 8) | 0x7f, SIGKILL]);
  });

  it('pid_namespaces(7): process 1 ignores what it does not handle, also its own SIGKILL, and ends with its parent\'s', async () => {
    expect(await result(function* init() {
      const pid = Number(yield { call: 'clone', flags: CLONE_NEWPID, child: child(function* one() {
        yield { call: 'kill', pid: 1, signal: SIGKILL };
        yield { call: 'pause' };
        return 3;
      }) });
      yield { call: 'nanosleep', duration: 1000 };
      yield { call: 'kill', pid, signal: SIGTERM };
      const alive = yield { call: 'wait4', pid, options: WNOHANG };
      yield { call: 'kill', pid, signal: SIGKILL };
      const dead = yield { call: 'wait4', pid, options: 0 };
      return [alive, dead].map((value) => (typeof value === 'object' && 'status' in value ? value.status : -1));
    })).toEqual([0, SIGKILL]);
  });

  it('mount_namespaces(7): what is mounted in a shared mount is seen by its peer, in a private one it is not', async () => {
    const seen = (flag: number) => result(function* shared() {
      yield { call: 'mount', source: 't', target: '/srv', fstype: 'tmpfs', flags: 0, data: '' };
      yield { call: 'mkdirat', ...at, path: '/srv/in', mode: 0o755 };
      yield { call: 'mount', source: '', target: '/srv', fstype: '', flags: flag, data: '' };
      const pid = Number(yield { call: 'clone', flags: CLONE_NEWNS, child: child(function* mounts() {
        yield { call: 'mount', source: 't', target: '/srv/in', fstype: 'tmpfs', flags: 0, data: '' };
        yield { call: 'mkdirat', ...at, path: '/srv/in/x', mode: 0o755 };
        return 0;
      }) });
      yield { call: 'wait4', pid, options: 0 };
      return yield { call: 'faccessat2', ...at, path: '/srv/in/x', mode: 0, flags: 0 };
    });
    expect(await seen(MS_SHARED)).toBe(0);
    expect(await seen(MS_PRIVATE)).toBe(-ENOENT);
  });
});
