import { appendFileSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeHome, refusal } from '../cli/command.ts';
import { command, missingCommand } from '../images/cache.ts';
import { copyBusyboxRoot } from './bundle.ts';
import { USERS } from './ordinary-user.ts';

const missing = missingCommand('busybox');
const why = refusal() ?? (missing === undefined ? undefined : `needs ${missing}`);
const title = (text: string, reason = why): string => (reason === undefined ? text : `${text} (${reason})`);

describe('users', () => {
  const home = why === undefined ? makeHome() : undefined;
  afterAll(() => home?.remove());
  const root = (): string => {
    const directory = join(home!.directory, 'rootfs');
    rmSync(directory, { recursive: true, force: true });
    copyBusyboxRoot(directory);
    appendFileSync(join(directory, 'etc/passwd'), 'sync:x:4:65534:sync:/bin:/bin/sync\nempty:x:5:5:no home::/bin/sh\n');
    return directory;
  };
  const run = (directory: string, script: string, ...flags: readonly string[]) => home!.run(['run', '--rm', ...flags, '--rootfs', directory, 'sh', '-c', script], { env: { HOME: '/of/the/caller' } });

  it.skipIf(why !== undefined)(title('case 50 (runc#4688): HOME is of the container\'s own passwd, and / for a user that is not there'), () => {
    const directory = root();
    const homeOf = (...flags: readonly string[]): string => run(directory, 'echo "$HOME"', ...flags).stdout;
    expect([homeOf(), homeOf('-u', 'alice'), homeOf('-u', '1000'), homeOf('-u', '12345'), homeOf('-u', 'empty')]).toEqual(['/root\n', '/home/alice\n', '/home/alice\n', '/\n', '/\n']);
  });

  it.skipIf(why !== undefined)(title('case 50 (runc#4711, umoci#652): an empty HOME counts as unset, and one that was given wins'), () => {
    const directory = root();
    expect(run(directory, 'echo "$HOME"', '-e', 'HOME=', '-u', 'alice').stdout).toBe('/home/alice\n');
    expect(run(directory, 'echo "$HOME"', '-e', 'HOME=/given', '-u', 'alice').stdout).toBe('/given\n');
  });

  const images = why ?? (missingCommand('umoci') === undefined ? undefined : 'needs umoci');
  it.skipIf(images !== undefined)(title('case 50 (umoci#652): HOME of an image\'s environment wins over its passwd', images), () => {
    const image = `${join(home!.directory, 'oci')}:1`;
    command('umoci', 'init', '--layout', join(home!.directory, 'oci'));
    command('umoci', 'new', '--image', image);
    command('umoci', 'insert', '--image', image, root(), '/');
    command('umoci', 'config', '--image', image, '--config.env=PATH=/bin', '--config.env=HOME=/of/the/image', '--config.user=alice');
    expect(home!.run(['run', '--rm', `oci:${image}`, 'sh', '-c', 'echo "$HOME"; id -un'])).toMatchObject({ code: 0, stdout: '/of/the/image\nalice\n' });
  });

  it.skipIf(why !== undefined)(title('case 51 (uutils#10307): with a user alone the group is that of passwd'), () => {
    const directory = root();
    const id = (user: string): string => run(directory, 'echo "$(id -u):$(id -g) $(id -G)"', '-u', user).stdout;
    expect([id('sync'), id('4'), id('alice'), id('1000:44'), id('7777')]).toEqual(['4:65534 65534\n', '4:65534 65534\n', '1000:1000 1000 10 44\n', '1000:44 44\n', '7777:0 0\n']);
  });

  it.skipIf(why !== undefined)(title('case 51 (runc#313, podman#14966): numbers need neither /etc/passwd nor /etc/group, and a name says what it lacks'), () => {
    const directory = root();
    for (const name of ['passwd', 'group']) rmSync(join(directory, 'etc', name));
    expect(run(directory, 'echo "$(id -u):$(id -g) $(id -G) $HOME"', '-u', '12:34', '--group-add', '56')).toMatchObject({ code: 0, stdout: '12:34 34 56 /\n' });
    expect(run(directory, 'true', '-u', 'alice')).toMatchObject({ code: 125, stderr: expect.stringMatching(/"alice".*passwd/) });
    expect(run(directory, 'true', '--group-add', 'video')).toMatchObject({ code: 125, stderr: expect.stringMatching(/"video".*group/) });
  });

  it.skipIf(why !== undefined)(title('case 51: passwd is looked for inside the root, also where a link of the image points outside'), () => {
    const directory = root();
    writeFileSync(join(directory, 'etc/elsewhere'), 'alice:x:4321:4321::/elsewhere:/bin/sh\n');
    command('ln', '-sf', '/etc/elsewhere', join(directory, 'etc/passwd'));
    expect(run(directory, 'echo "$(id -u) $HOME"', '-u', 'alice')).toMatchObject({ code: 0, stdout: '4321 /elsewhere\n' });
    command('ln', '-sf', '../../../../../../../etc/passwd', join(directory, 'etc/passwd'));
    expect(run(directory, 'true', '-u', 'daemon').code).toBe(125);
  });
});

describe.each(USERS)('files of $who', ({ why: reason, make, uid = 0 }) => {
  const home = reason === undefined ? make() : undefined;
  afterAll(() => home?.remove());

  it.skipIf(reason !== undefined)(title('case 50: what the container\'s root writes to a volume belongs to who ran it', reason), () => {
    const shared = join(home!.directory, 'shared');
    mkdirSync(shared);
    chownSync(shared, uid, uid);
    expect(home!.run(['run', '--rm', '-v', `${shared}:/shared`, ...home!.image, 'sh', '-c', 'echo x >/shared/file; stat -c %u:%g /shared/file'])).toMatchObject({ code: 0, stdout: '0:0\n' });
    expect(command('stat', '-c', '%u:%g', join(shared, 'file'))).toBe(`${String(uid)}:${String(uid)}\n`);
  });
});
