/** A small root and images of several layers from Debian's busybox-static, with a whiteout and an opaque directory. */
import { chmodSync, copyFileSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cached, command } from './cache.ts';

const BUSYBOX = '/bin/busybox';
const PASSWD = 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nalice:x:1000:1000:Alice:/home/alice:/bin/sh\n';
const GROUP = 'root:x:0:\ndaemon:x:1:\nwheel:x:10:alice\nvideo:x:44:alice\nalice:x:1000:\n';

function write(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

/** Fills a directory with a root that runs: all applets, users, and no /proc, /sys or /dev. */
export function fillBusyboxRoot(directory: string): void {
  for (const name of ['bin', 'etc', 'root', 'home/alice', 'tmp', 'var/tmp', 'usr/bin', 'usr/sbin', 'sbin']) mkdirSync(join(directory, name), { recursive: true });
  chmodSync(directory, 0o755);
  chmodSync(join(directory, 'tmp'), 0o1777);
  copyFileSync(BUSYBOX, join(directory, 'bin/busybox'));
  for (const applet of command(BUSYBOX, '--list').split('\n')) if (applet !== '' && applet !== 'busybox') symlinkSync('/bin/busybox', join(directory, 'bin', applet));
  write(join(directory, 'etc/passwd'), PASSWD);
  write(join(directory, 'etc/group'), GROUP);
  write(join(directory, 'etc/issue'), 'busybox root of the tests\n');
}

/** A cached busybox root. Not to be written to: copy it for `--rootfs`. */
export const busyboxRoot = (): string => cached('busybox-root-2', fillBusyboxRoot);

/** Contents of the upper layers, each a directory to be inserted at a path. */
function fillLayers(directory: string): void {
  write(join(directory, 'data/kept'), 'kept\n');
  write(join(directory, 'data/removed'), 'removed by layer 3\n');
  write(join(directory, 'data/replaced/old'), 'hidden by layer 4\n');
  write(join(directory, 'data/changed'), 'first\n');
  linkSync(join(directory, 'data/kept'), join(directory, 'data/hard-link'));
  symlinkSync('kept', join(directory, 'data/soft-link'));
  write(join(directory, 'replaced/new'), 'of layer 4\n');
  write(join(directory, 'changed'), 'second\n');
}

/**
 * Directory with `oci` (an OCI layout, tag `1`, five layers made by umoci) and `docker.tar` (the same by skopeo).
 * In the image: /data/{kept,hard-link,soft-link,changed}, /data/replaced/new; gone: /data/removed, /data/replaced/old.
 */
export function busyboxImages(): string {
  const root = busyboxRoot();
  return cached('busybox-images-2', (directory) => {
    const layers = mkdtempSync(join(tmpdir(), 'tsc-box-layers-'));
    try {
      fillLayers(layers);
      const layout = join(directory, 'oci');
      const image = `${layout}:1`;
      command('umoci', 'init', '--layout', layout);
      command('umoci', 'new', '--image', image);
      command('umoci', 'insert', '--image', image, root, '/');
      command('umoci', 'insert', '--image', image, join(layers, 'data'), '/data');
      command('umoci', 'insert', '--image', image, '--whiteout', '/data/removed');
      command('umoci', 'insert', '--image', image, '--opaque', join(layers, 'replaced'), '/data/replaced');
      command('umoci', 'insert', '--image', image, join(layers, 'changed'), '/data/changed');
      const config = ['--config.env=PATH=/bin:/sbin:/usr/bin', '--config.env=LAYER=five', '--config.workingdir=/data', '--config.cmd=cat', '--config.cmd=/data/changed'];
      command('umoci', 'config', '--image', image, ...config);
      command('skopeo', 'copy', `oci:${image}`, `docker-archive:${join(directory, 'docker.tar')}:tsc-box-test:1`);
    } finally {
      rmSync(layers, { recursive: true, force: true });
    }
  });
}
