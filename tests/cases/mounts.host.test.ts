import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bundle, makeHome, refusal } from '../cli/command.ts';
import { missingCommand } from '../images/cache.ts';
import { copyBusyboxRoot, writeBundle } from './bundle.ts';
import { copyCommand, USERS } from './ordinary-user.ts';

describe.each(USERS)('mounts for $who', ({ why, make }) => {
  const home = why === undefined ? make() : undefined;
  afterAll(() => home?.remove());
  const image = home?.image ?? [];
  const title = (text: string): string => (why === undefined ? text : `${text} (${why})`);
  const run = (script: string, ...flags: readonly string[]) => home!.run(['run', '--rm', ...flags, ...image, 'sh', '-c', script]);

  it.skipIf(why !== undefined)(title('case 53 (runc#3672, #3970): in a user namespace with the host\'s network, /sys is the host\'s and stays read-only'), () => {
    const result = run('test -d /sys/class/net/lo && test -d /sys/kernel && echo there; mkdir /sys/fs/cgroup/made 2>&1; : >/sys/made', '--userns', 'auto', '--network', 'host');
    expect(result.stdout).toMatch(/^there\n.*Read-only file system/);
    expect(result.stderr).toMatch(/Read-only file system/);
  });

  it.skipIf(why !== undefined)(title('case 55 (runc#3952, #3991): a tmpfs is sticky and for all, whatever the umask, and its options hold'), () => {
    const result = run('stat -c "%a %n" /mnt /dev/shm; umask; stat -c %a /opt; df -k /opt | tail -n 1 | tr -s " " | cut -d " " -f 2', '--umask', '0077', '--tmpfs', '/mnt', '--tmpfs', '/opt:size=1m,mode=0750');
    expect(result).toMatchObject({ code: 0, stdout: '1777 /mnt\n1777 /dev/shm\n0077\n750\n1024\n' });
  });

  it.skipIf(why !== undefined)(title('case 55 (runc#3276): a read-only /dev has its devices, and takes nothing new'), () => {
    const result = run('echo x >/dev/null && head -c 2 /dev/zero | wc -c; : >/dev/made', '--tmpfs', '/dev:ro,dev,mode=755');
    expect(result).toMatchObject({ stdout: '2\n', stderr: expect.stringContaining('Read-only file system') });
  });

  it.skipIf(why !== undefined)(title('case 55 (runc#3620, #3674): /dev/null and its like work, and the host\'s keep their owner and mode'), () => {
    const look = (): readonly string[] => ['null', 'zero', 'full', 'random', 'urandom', 'tty'].map((name) => {
      const { uid, gid, mode, rdev } = lstatSync(`/dev/${name}`);
      return `${name} ${String(uid)}:${String(gid)} ${mode.toString(8)} ${String(rdev)}`;
    });
    const before = look();
    const script = 'cd /dev; cat null; head -c 3 zero | wc -c; head -c 4 urandom | wc -c; (echo x >full) 2>/dev/null || echo full; for l in fd stdin ptmx; do readlink $l; done; chmod 600 null 2>/dev/null; for d in null zero full random urandom tty; do test -c $d || echo no $d; done';
    expect(run(script)).toMatchObject({ code: 0, stdout: '3\n4\nfull\n/proc/self/fd\n/proc/self/fd/0\npts/ptmx\n' });
    expect(run('echo <&1 >/dev/null; test -w /dev/null', '-u', why === undefined && image[0] === 'host' ? 'nobody' : '0').code).toBe(0);
    expect(look()).toEqual(before);
  });
});

const missing = missingCommand('busybox', 'unshare', 'mount');
const why = refusal() ?? (missing === undefined ? undefined : `needs ${missing}`);
const title = (text: string): string => (why === undefined ? text : `${text} (${why})`);

describe('mounts', () => {
  const home = why === undefined ? makeHome() : undefined;
  afterAll(() => home?.remove());

  it.skipIf(why !== undefined)(title('case 54 (podman#20453, runc#1658, bubblewrap#738): a proc that the kernel refuses inside a masked one is explained in plain words'), () => {
    const rootfs = copyBusyboxRoot(join(home!.directory, 'inner-root'));
    const command = copyCommand();
    const volumes = ['-v', `${join(command, '..')}:/tsc-box:ro`, '-v', `${rootfs}:/inner-root`, '--tmpfs', '/store:mode=700'];
    const inner = [process.execPath, '/tsc-box/tsc-box.cjs', '--root', '/store', 'run', '--rm', '--userns', 'auto', '--rootfs', '/inner-root', 'sh', '-c', 'echo inner; ls -d /proc/1'];
    const masked = home!.run(['run', '--rm', '--cap-add', 'SYS_ADMIN', '--security-opt', 'seccomp=unconfined', ...volumes, 'host', ...inner]);
    expect(masked).toMatchObject({ code: 125, stdout: '', stderr: expect.stringMatching(/too revealing/) });
    expect(masked.stderr).toMatch(/mask/);
    expect(masked.stderr).toMatch(/hint: .*systempaths=unconfined/s);
    // What the hint says does help.
    const open = home!.run(['run', '--rm', '--cap-add', 'SYS_ADMIN', '--security-opt', 'seccomp=unconfined', '--security-opt', 'systempaths=unconfined', ...volumes, 'host', ...inner]);
    expect(open).toMatchObject({ code: 0, stdout: 'inner\n/proc/1\n' });
  });

  it.skipIf(why !== undefined)(title('case 55: a bundle\'s read-only tmpfs holds what is mounted in it'), () => {
    const directory = writeBundle(join(home!.directory, 'bundle'), 'ls -d /dev/null /dev/shm /ro/in; touch /dev/shm/x /ro/in/x && touch /ro/x', (spec) => ({
      ...spec,
      mounts: [
        ...(spec.mounts ?? []).map((mount) => (mount.destination === '/dev' ? { ...mount, options: ['ro', 'mode=755'] } : mount)),
        { destination: '/dev/shm', type: 'tmpfs', source: 'shm' }, { destination: '/ro', type: 'tmpfs', source: 'tmpfs', options: ['ro'] }, { destination: '/ro/in', type: 'tmpfs', source: 'tmpfs' },
      ],
    }));
    expect(home!.run(['run', '--rm', '--bundle', directory])).toMatchObject({ code: 1, stdout: '/dev/null\n/dev/shm\n/ro/in\n', stderr: expect.stringContaining('/ro/x: Read-only file system') });
  });

  it.skipIf(why !== undefined).each(['shared', 'rslave'] as const)(title('case 57 (runc#715, #5458): through a %s volume, mounts and unmounts of the host appear inside'), async (propagation) => {
    const source = join(home!.directory, `volume-${propagation}`);
    mkdirSync(source);
    writeFileSync(join(source, 'on-the-host'), '');
    // In a mount namespace of its own, so that this machine's mounts stay as they are. The container answers line by line.
    const inside = 'echo ready; while read -r _; do if [ -e /volume/sub/mounted ]; then echo yes; else echo no; fi; done';
    const script = `set -e; mount --bind "$SOURCE" "$SOURCE"; mount --make-shared "$SOURCE"; mkdir -p "$SOURCE/sub"
mkfifo "$SOURCE.ask" "$SOURCE.answer"
"$@" <"$SOURCE.ask" >"$SOURCE.answer" & exec 3>"$SOURCE.ask" 4<"$SOURCE.answer"; read -r line <&4; echo "$line"
ask() { echo >&3; read -r line <&4; echo "$line"; }
ask; mount -t tmpfs tmpfs "$SOURCE/sub"; touch "$SOURCE/sub/mounted"; ask; umount "$SOURCE/sub"; ask; exec 3>&-; wait $!; umount "$SOURCE"`;
    const argv = [process.execPath, bundle, '--root', home!.store, 'run', '--rm', '-i', '-v', `${source}:/volume:${propagation}`, 'host', 'sh', '-c', inside];
    const child = spawn('unshare', ['--mount', '--propagation', 'private', 'bash', '-c', script, 'bash', ...argv], { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, SOURCE: source } });
    const text: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => text.push(chunk));
    const [code] = await once(child, 'close') as [number | null];
    expect([code, text.join('')]).toEqual([0, 'ready\nno\nyes\nno\n']);
  });

  it.skipIf(why !== undefined)(title('case 57: a volume is private without a word, and what a shared one mounts inside appears on the host'), async () => {
    const source = join(home!.directory, 'two-ways');
    mkdirSync(join(source, 'sub'), { recursive: true });
    const run = '"$NODE" "$BUNDLE" --root "$STORE" run --rm --cap-add SYS_ADMIN --security-opt seccomp=unconfined';
    const script = `set -e; mount --bind "$SOURCE" "$SOURCE"; mount --make-shared "$SOURCE"; count() { grep -c " $SOURCE/sub " /proc/self/mountinfo || :; }
${run} -v "$SOURCE:/volume" host mount -t tmpfs tmpfs /volume/sub; count
${run} -v "$SOURCE:/volume:shared" host mount -t tmpfs tmpfs /volume/sub; count; umount "$SOURCE/sub" "$SOURCE"`;
    const env = { PATH: process.env.PATH, SOURCE: source, NODE: process.execPath, BUNDLE: bundle, STORE: home!.store };
    const child = spawn('unshare', ['--mount', '--propagation', 'private', 'bash', '-c', script], { stdio: ['ignore', 'pipe', 'pipe'], env });
    const text: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => text.push(chunk));
    const [code] = await once(child, 'close') as [number | null];
    expect([code, text.join('')]).toEqual([0, '0\n1\n']);
  });
});
