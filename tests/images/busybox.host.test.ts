import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeHome, refusal } from '../cli/command.ts';
import { busyboxImages, busyboxRoot } from './busybox.ts';
import { missingCommand } from './cache.ts';

const missing = missingCommand('busybox', 'umoci', 'skopeo');
const why = refusal() ?? (missing === undefined ? undefined : `needs ${missing}`);

describe.skipIf(why !== undefined)(`a busybox image of five layers${why === undefined ? '' : ` (${why})`}`, () => {
  const home = makeHome();
  afterAll(() => home.remove());
  const sources = (): readonly string[] => [`oci:${join(busyboxImages(), 'oci')}:1`, `docker-archive:${join(busyboxImages(), 'docker.tar')}`];

  it('shows its upper layers over its lower ones, from a layout and from an archive alike', () => {
    for (const source of sources()) {
      const script = 'cat kept hard-link soft-link changed replaced/new; ls -A replaced; ls removed 2>/dev/null; stat -c %h kept; id -un; pwd; echo $LAYER';
      expect(home.run(['run', '--rm', source, 'sh', '-c', script])).toEqual({ code: 0, signal: null, stderr: '', stdout: 'kept\nkept\nkept\nsecond\nof layer 4\nnew\n2\nroot\n/data\nfive\n' });
    }
  });

  it('runs the command of its configuration when none is given', () => {
    for (const source of sources()) expect(home.run(['run', '--rm', source])).toMatchObject({ code: 0, stdout: 'second\n' });
  });

  it('has the same files as umoci unpacks', () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsc-box-umoci-'));
    try {
      const unpacked = join(directory, 'bundle');
      expect(spawnSync('umoci', ['unpack', '--image', `${join(busyboxImages(), 'oci')}:1`, unpacked]).status).toBe(0);
      const list = 'cd "$1" && find . -xdev \\( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc/hosts -o -path ./etc/mtab -o -path ./etc/hostname -o -path ./etc/resolv.conf \\) -prune -o ! -type d -exec stat -c "%n %F %a %u:%g %s %Y" {} + | sort';
      const theirs = spawnSync('busybox', ['sh', '-c', list, 'sh', join(unpacked, 'rootfs')], { encoding: 'utf8' });
      const ours = home.run(['run', '--rm', sources()[0] ?? '', 'sh', '-c', list, 'sh', '/']);
      expect(ours.stdout).toBe(theirs.stdout);
      expect(ours.stdout.split('\n').length).toBeGreaterThan(100);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('keeps what a container writes apart: diff tells it, and the next container sees the image', () => {
    const source = sources()[0] ?? '';
    const script = 'echo third >changed; rm kept; mkdir made; rm -r replaced && mkdir replaced';
    expect(home.run(['run', '--name', 'writer', source, 'sh', '-c', script])).toMatchObject({ code: 0, stderr: '' });
    expect(home.run(['diff', 'writer']).stdout).toBe('C /data\nC /data/changed\nD /data/kept\nA /data/made\nC /data/replaced\nD /data/replaced/new\n');
    expect(home.run(['rm', 'writer'])).toMatchObject({ code: 0 });
    expect(home.run(['run', '--rm', source, 'cat', 'changed', 'kept'])).toMatchObject({ code: 0, stdout: 'second\nkept\n' });
  });

  it('finds users and groups in the image', () => {
    const id = (...flags: readonly string[]): string => home.run(['run', '--rm', ...flags, sources()[0] ?? '', 'id']).stdout;
    expect(id('-u', 'alice')).toBe('uid=1000(alice) gid=1000(alice) groups=10(wheel),44(video),1000(alice)\n');
    expect(id('-u', '1:44')).toBe('uid=1(daemon) gid=44(video) groups=44(video)\n');
  });

  it('a directory is used as it lies, also without /proc, /sys and /dev', () => {
    const directory = join(home.directory, 'rootfs');
    cpSync(busyboxRoot(), directory, { recursive: true, verbatimSymlinks: true });
    const script = 'echo written >/etc/written; test -c /dev/null && test -d /proc/1 && test -d /sys/fs && cat /etc/issue';
    expect(home.run(['run', '--rm', '--rootfs', directory, 'sh', '-c', script])).toEqual({ code: 0, signal: null, stdout: 'busybox root of the tests\n', stderr: '' });
    expect(readFileSync(join(directory, 'etc/written'), 'utf8')).toBe('written\n');
  });

  it('an image, a tag and an archive that are not there are named', () => {
    for (const source of ['oci:/no/such/layout:1', `oci:${join(busyboxImages(), 'oci')}:nope`, 'docker-archive:/no/such/file']) {
      const result = home.run(['--error-format', 'json', 'run', '--rm', source, 'true']);
      expect(result).toMatchObject({ code: 125, stdout: '' });
      expect(JSON.parse(result.stderr)).toMatchObject({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND' });
    }
  });
});
