import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { makeLayout } from './layout.ts';
import { planDirectoryRoot, planLayersRoot, type RootContext } from './root-plan.ts';

const ETC = { hosts: '127.0.0.1\tlocalhost\n', hostname: 'box\n', 'resolv.conf': 'nameserver 9.9.9.9\n' };
let base: string;
let context: RootContext;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'root-plan-'));
  mkdirSync(join(base, 'container'));
  context = { directory: join(base, 'container'), runFiles: join(base, 'run'), mountpoint: '/m', owner: undefined, userns: false, etc: ETC };
});

const layer = (name: string, ...directories: string[]): string => {
  mkdirSync(join(base, name));
  for (const directory of directories) mkdirSync(join(base, name, directory), { recursive: true });
  return join(base, name);
};
const mode = (path: string): number => lstatSync(path).mode & 0o7777;

describe('the root of an image', () => {
  it('is its layers under an init layer, which holds hosts, hostname, resolv.conf, mtab and the mount points', () => {
    const layers = [layer('top'), layer('bottom', 'etc')];
    const planned = planLayersRoot(context, layers);
    const init = join(base, 'container/init');
    expect(planned.root).toEqual({ kind: 'overlay', mountpoint: '/m', overlays: [{ at: '/', lowerdirs: [init, ...layers], upperdir: join(base, 'container/upper'), workdir: join(base, 'container/work') }] });
    makeLayout(planned.layout);
    expect(readFileSync(join(init, 'etc/resolv.conf'), 'utf8')).toBe(ETC['resolv.conf']);
    expect(readlinkSync(join(init, 'etc/mtab'))).toBe('/proc/mounts');
    for (const name of ['dev', 'proc', 'sys']) expect(mode(join(init, name))).toBe(0o755);
    for (const name of Object.keys(ETC)) expect(mode(join(init, 'etc', name))).toBe(0o644);
  });

  it("keeps the modes of the image's root and /etc, whatever the umask", () => {
    const top = layer('top', 'etc');
    chmodSync(join(top, 'etc'), 0o750);
    chmodSync(top, 0o1777);
    const old = process.umask(0o077);
    try {
      makeLayout(planLayersRoot(context, [top]).layout);
    } finally {
      process.umask(old);
    }
    expect([mode(join(base, 'container/init')), mode(join(base, 'container/upper')), mode(join(base, 'container/init/etc'))]).toEqual([0o1777, 0o1777, 0o750]);
  });

  it('leaves an /etc alone that is a link, as it would lead anywhere', () => {
    const top = layer('top');
    symlinkSync('/elsewhere', join(top, 'etc'));
    const planned = planLayersRoot(context, [top, layer('bottom', 'etc')]);
    expect(planned.layout.map(({ path }) => path)).not.toContain(join(base, 'container/init/etc'));
  });

  it('is just the init layer where an image has no layers', () => {
    makeLayout(planLayersRoot(context, []).layout);
    expect(mode(join(base, 'container/upper'))).toBe(0o755);
  });

  it('has no init layer where the image has as many layers as overlayfs mounts; one more is refused', () => {
    const same = layer('same');
    const layers = Array.from({ length: 500 }, () => same);
    const { root, layout } = planLayersRoot(context, layers);
    expect(root).toMatchObject({ overlays: [{ lowerdirs: layers }] });
    makeLayout(layout);
    expect(lstatSync(join(base, 'container/upper/proc')).isDirectory()).toBe(true);
    expect(lstatSync(join(base, 'container/init'), { throwIfNoEntry: false })).toBeUndefined();
    expect(() => planLayersRoot(context, [...layers, same])).toThrow('it has 501, overlayfs takes at most 500');
  });
});

describe('a directory as the root', () => {
  it('has its files covered only where they are files already', () => {
    const rootfs = layer('rootfs', 'etc');
    writeFileSync(join(rootfs, 'etc/hostname'), 'old\n');
    symlinkSync('../run/resolv.conf', join(rootfs, 'etc/resolv.conf'));
    const planned = planDirectoryRoot(context, rootfs, []);
    expect(planned.last.map(({ destination }) => destination)).toEqual(['/etc/hostname']);
    expect(planned.sources).toEqual({ [`${base}/run.hostname`]: 'file' });
    makeLayout(planned.layout);
    expect(readFileSync(`${base}/run.hostname`, 'utf8')).toBe('box\n');
  });

  it('is left as it is for a bundle', () => {
    const rootfs = layer('rootfs', 'etc');
    writeFileSync(join(rootfs, 'etc/hosts'), '');
    expect(planDirectoryRoot({ ...context, etc: undefined }, rootfs, [])).toMatchObject({ layout: [], last: [] });
  });
});
