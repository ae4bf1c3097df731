import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeHome, refusal } from '../cli/command.ts';
import { command, missingCommand } from './cache.ts';
import { debianArchive, debianImages, debianRelease, debianRoot } from './debian.ts';

const MAKING_MS = 600_000;
const missing = missingCommand('mmdebstrap', 'buildah', 'tar');

/** The root and the images need Debian's archive the first time: without it the tests skip, and say so. */
function whyNot(): string | undefined {
  const reason = refusal() ?? (debianRelease() === undefined ? 'needs Debian' : undefined);
  return reason ?? (missing === undefined ? undefined : `needs ${missing}`);
}

const why = whyNot();

describe.skipIf(why !== undefined)(`Debian${why === undefined ? '' : ` (${why})`}`, () => {
  const home = makeHome();
  let images = '';
  let unreachable: string | undefined;
  beforeAll(() => {
    try {
      debianArchive();
    } catch (error) {
      unreachable = `Debian's archive can't be reached: ${String(error).slice(0, 300)}`;
      return;
    }
    images = debianImages();
  }, MAKING_MS);
  beforeEach(({ skip }) => skip(unreachable !== undefined, unreachable));
  afterAll(() => home.remove());

  const LAYERS = [
    'test ! -e /sbin/mke2fs', 'test "$(ls -A /usr/share/doc)" = other', 'test "$(cat /usr/share/doc/other)" = three', 'test ! -e /etc/skel', 'test "$(cat /opt/odd/second)" = one',
    'test "$(stat -c %h /opt/odd/first)" = 2', 'test -p /opt/odd/fifo', 'test "$(stat -c %a /opt/odd/setuid)" = 4755', 'test "$(readlink /opt/odd/dangling)" = ../nowhere', 'test -d "/opt/odd/a b"', 'test "$LAYERS" = three',
  ];

  it.each(['oci', 'docker-archive'])('an image of three layers from %s has its whiteouts, opaque directory and odd files', (kind) => {
    const source = kind === 'oci' ? `oci:${join(images, 'oci')}:1` : `docker-archive:${join(images, 'docker.tar')}`;
    const script = LAYERS.map((test) => `${test} || echo 'not so: ${test.replaceAll("'", '"')}'`).join('\n');
    expect(home.run(['run', '--rm', source, 'sh', '-c', script])).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  }, MAKING_MS);

  it('packages can be removed in a container, and diff shows it', () => {
    const source = `oci:${join(images, 'oci')}:1`;
    const result = home.run(['run', '--name', 'purge', source, 'dpkg', '--purge', '--force-all', 'tzdata']);
    expect(result).toMatchObject({ code: 0 });
    const diff = home.run(['diff', 'purge']).stdout;
    expect(diff).toContain('C /var/lib/dpkg/status\n');
    expect(diff).toContain('D /usr/share/zoneinfo\n');
    expect(home.run(['rm', 'purge'])).toMatchObject({ code: 0 });
  }, MAKING_MS);

  it('its root runs as a directory', () => {
    const directory = join(home.directory, 'rootfs');
    // Not cpSync: on Node 20 it opens device nodes.
    command('cp', '-a', debianRoot(), directory);
    expect(home.run(['run', '--rm', '--rootfs', directory, 'sh', '-c', '. /etc/os-release && echo $ID && dpkg --audit'])).toEqual({ code: 0, signal: null, stdout: 'debian\n', stderr: '' });
  }, MAKING_MS);
});
