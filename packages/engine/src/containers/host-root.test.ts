import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { HostMount } from './host-mounts.ts';
import { planHostRoot, shapeForRoot, shapeForUserNamespace } from './host-root.ts';
import { skeletonName } from './skeleton.ts';

const overlay = (mountpoint: string): HostMount => ({ mountpoint, type: 'ext4', use: 'overlay' });
const ETC = { hosts: 'h\n', hostname: 'n\n', 'resolv.conf': 'r\n' };

describe('the host as root', () => {
  it('is one union for each local file system, and binds for the rest', () => {
    const shape = shapeForRoot([overlay('/'), { mountpoint: '/boot/efi', type: 'vfat', use: 'bind' }, overlay('/home'), { mountpoint: '/proc', type: 'proc', use: 'hidden' }]);
    expect(shape.unions).toEqual([{ at: '/', lowerdir: '/' }, { at: '/home', lowerdir: '/home' }]);
    expect(shape.binds.map(({ path }) => path)).toEqual(['/boot/efi']);
  });

  it('never has a layer inside another of the same union', () => {
    const context = { directory: '/var/lib/tsc-box/containers/x', runFiles: '/run/tsc-box/x', mountpoint: '/run/tsc-box/root', owner: undefined, userns: false, etc: ETC };
    const planned = planHostRoot(context, { unions: [{ at: '/', lowerdir: '/' }, { at: '/tmp', lowerdir: '/tmp' }], binds: [], skeleton: [], warnings: [] }, undefined);
    expect(planned.root).toMatchObject({ overlays: [{ at: '/', lowerdirs: ['/'], upperdir: '/var/lib/tsc-box/containers/x/upper' }, { at: '/tmp', lowerdirs: ['/tmp'], upperdir: '/var/lib/tsc-box/containers/x/upper1' }] });
    expect(planned.layout).toContainEqual({ kind: 'directory', path: '/var/lib/tsc-box/containers/x/upper1', mode: 0o1777, owner: undefined });
    expect(planned.last.map(({ source }) => source)).toEqual(['hosts', 'hostname', 'resolv.conf'].map((name) => `/run/tsc-box/x.${name}`));
  });
});

describe('the host in a user namespace', () => {
  it('has no union with a mount of the machine below its lower directory', () => {
    const base = mkdtempSync('/var/tmp/host-root-');
    mkdirSync(join(base, 'has/below/mounted'), { recursive: true });
    mkdirSync(join(base, 'has/beside/content'), { recursive: true });
    mkdirSync(join(base, 'has/empty'));
    mkdirSync(join(base, 'has/network/x'), { recursive: true });
    mkdirSync(join(base, 'without/any'), { recursive: true });
    writeFileSync(join(base, 'has/below/mounted/file'), '');
    writeFileSync(join(base, 'has/small'), 'text');
    symlinkSync('small', join(base, 'has/link'));
    const parents = base.split('/').slice(1, -1);
    const mounts: HostMount[] = [overlay('/'), overlay(join(base, 'has/below/mounted')), { mountpoint: join(base, 'has/network'), type: 'nfs', use: 'hidden' }];
    const shape = shapeForUserNamespace(mounts, undefined);
    for (const { lowerdir } of shape.unions.slice(1)) expect(mounts.filter(({ mountpoint }) => mountpoint.startsWith(`${lowerdir}/`))).toEqual([]);
    const places = shape.unions.map(({ at }) => at).filter((at) => at.startsWith(base));
    expect(places).toEqual([join(base, 'has/below/mounted'), join(base, 'has/beside'), join(base, 'without')]);
    const skeleton = new Map(shape.skeleton.map((entry) => [entry.path, entry]));
    expect(skeleton.get(`/${parents.join('/')}`)?.kind).toBe('directory');
    expect(skeleton.get(join(base, 'has/small'))).toMatchObject({ kind: 'file', data: Buffer.from('text') });
    expect(skeleton.get(join(base, 'has/link'))).toMatchObject({ kind: 'symlink', target: 'small' });
    expect(skeleton.has(join(base, 'has/empty'))).toBe(true);
    expect(skeleton.has(join(base, 'has/network/x'))).toBe(false);
  });

  it('names a skeleton by all that is in it', () => {
    const entry = { kind: 'directory', path: '/usr', mode: 0o755 } as const;
    expect(skeletonName([entry], undefined)).toBe(skeletonName([entry], undefined));
    expect(skeletonName([entry], undefined)).not.toBe(skeletonName([{ ...entry, mode: 0o700 }], undefined));
    expect(skeletonName([entry], undefined)).not.toBe(skeletonName([entry], { uid: 1, gid: 1 }));
  });
});
