/** A Debian root by mmdebstrap, and images of three layers from it by buildah. Needs root and Debian's archive; about a minute, once. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cached, command } from './cache.ts';

/** This machine's Debian release, or undefined on another system: its archive is known to be reachable by apt. */
export function debianRelease(): string | undefined {
  try {
    const text = readFileSync('/etc/os-release', 'utf8');
    return /^ID=debian$/m.test(text) ? /^VERSION_CODENAME=(\w+)$/m.exec(text)?.[1] : undefined;
  } catch {
    return undefined;
  }
}

/** Path of a tar archive of a minimal Debian. */
export function debianArchive(): string {
  const directory = cached('debian-archive-1', (into) => {
    command('mmdebstrap', '--variant=minbase', '--quiet', debianRelease() ?? 'stable', join(into, 'root.tar'));
  });
  return join(directory, 'root.tar');
}

/** A cached Debian root. Not to be written to. */
export function debianRoot(): string {
  const archive = debianArchive();
  return cached('debian-root-1', (directory) => {
    command('tar', '-C', directory, '-xpf', archive);
    command('chmod', '755', directory);
  });
}

/** The second layer purges a package and replaces a directory, the third adds odd files: hard links, a fifo, setuid, names with blanks. */
const LAYERS = [
  'dpkg --purge --force-depends --force-remove-essential --force-remove-protected e2fsprogs logsave; rm -rf /usr/share/doc && mkdir /usr/share/doc && echo layer-2 >/usr/share/doc/note',
  'mkdir -p "/opt/odd/a b" && cd /opt/odd && echo one >first && ln first second && mkfifo fifo && cp /bin/true setuid && chmod 4755 setuid && ln -s ../nowhere dangling && rm -rf /etc/skel && rm /usr/share/doc/note && echo three >/usr/share/doc/other',
];

/** Directory with `oci` (an OCI layout, tag `1`, three layers) and `docker.tar`, both by buildah. */
export function debianImages(): string {
  const archive = debianArchive();
  return cached('debian-images-1', (directory) => {
    const store = join(directory, 'store');
    mkdirSync(store);
    const buildah = (...args: readonly string[]): string => command('buildah', '--root', join(store, 'root'), '--runroot', join(store, 'run'), '--storage-driver', 'vfs', ...args).trim();
    try {
      const base = buildah('from', 'scratch');
      buildah('add', base, archive, '/');
      let image = buildah('commit', base, 'localhost/debian:base');
      for (const [index, script] of LAYERS.entries()) {
        const container = buildah('from', image);
        buildah('run', '--isolation', 'chroot', container, '--', 'sh', '-c', script);
        image = buildah('commit', container, `localhost/debian:${String(index)}`);
      }
      const container = buildah('from', image);
      buildah('config', '--cmd', '/bin/bash', '--env', 'LAYERS=three', container);
      image = buildah('commit', container, 'localhost/debian:1');
      buildah('push', image, `oci:${join(directory, 'oci')}:1`);
      buildah('push', image, `docker-archive:${join(directory, 'docker.tar')}:localhost/debian:1`);
    } finally {
      // A store of buildah may hold mounts: it is only removed, never entered.
      rmSync(store, { recursive: true, force: true });
    }
  });
}
