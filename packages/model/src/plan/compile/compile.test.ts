import { describe, expect, it } from 'vitest';
import type { Spec } from '../../spec/spec.ts';
import { ROOT_FACTS, USER_FACTS } from '../facts.testing.ts';
import { formatPlan } from '../format.ts';
import type { ChildStep, LaunchPlan } from '../plan.ts';
import type { RootPlan } from '../root.ts';
import { compile } from './compile.ts';

const OVERLAY: RootPlan = { kind: 'overlay', mountpoint: '/box/root', overlays: [{ at: '/', lowerdirs: ['/box/init', '/layers/1'], upperdir: '/box/upper', workdir: '/box/work' }] };

const SPEC: Spec = {
  ociVersion: '1.2.0',
  root: { path: 'rootfs' },
  hostname: 'box',
  process: {
    args: ['sh', '-c', 'true'], cwd: '/', env: ['PATH=/usr/bin:/bin'], user: { uid: 0, gid: 0 }, noNewPrivileges: true,
    capabilities: { bounding: ['CAP_CHOWN'], effective: ['CAP_CHOWN'], permitted: ['CAP_CHOWN'] }, rlimits: [{ type: 'RLIMIT_NOFILE', soft: 10, hard: 20 }],
  },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    { destination: '/data', type: 'bind', source: '/srv/data', options: ['rbind', 'ro', 'rslave'] },
  ],
  linux: {
    namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'uts' }, { type: 'ipc' }, { type: 'network' }, { type: 'cgroup' }],
    cgroupsPath: '/tsc-box/x', resources: { memory: { limit: 64 * 2 ** 20 } }, sysctl: { 'net.ipv4.ip_forward': '1' },
    maskedPaths: ['/proc/kcore'], readonlyPaths: ['/proc/sys'],
  },
};

const USER_SPEC: Spec = {
  ...SPEC,
  linux: { ...SPEC.linux, namespaces: [{ type: 'user' }, ...(SPEC.linux?.namespaces ?? [])], uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }], gidMappings: [{ containerID: 0, hostID: 1000, size: 1 }] },
};

const build = (spec: Spec = SPEC, facts = ROOT_FACTS, more: Partial<Parameters<typeof compile>[2]> = {}): LaunchPlan => compile(spec, facts, { id: 'x', root: OVERLAY, ...more });
const ids = (plan: LaunchPlan): string[] => plan.child.map((step) => step.id);
const step = (plan: LaunchPlan, id: string): ChildStep | undefined => plan.child.find((candidate) => candidate.id === id);

describe('compile', () => {
  it('gives the plan in the golden file for root', async () => {
    await expect(formatPlan(build())).toMatchFileSnapshot('./golden/root.txt');
  });

  it('gives the plan in the golden file for an ordinary user', async () => {
    await expect(formatPlan(build(USER_SPEC, USER_FACTS))).toMatchFileSnapshot('./golden/user.txt');
  });

  it('clones the source of a shared bind while it still is a peer of the host\'s mount', () => {
    const shared = { ...SPEC, mounts: [...SPEC.mounts!, { destination: '/s', type: 'bind', source: '/srv/s', options: ['bind', 'shared'] }] };
    const order = ids(build(shared));
    expect(order.indexOf('mount.3.clone')).toBeLessThan(order.indexOf('root.propagation'));
    expect(order.indexOf('mount.2.clone')).toBeGreaterThan(order.indexOf('root.propagation'));
    expect(order.filter((id) => id === 'mount.3.clone')).toHaveLength(1);
  });

  it('makes a read-only tmpfs read-only when all that lies in it is there', () => {
    const order = ids(build({ ...SPEC, mounts: [...SPEC.mounts!, { destination: '/ro', type: 'tmpfs', options: ['ro'] }, { destination: '/ro/in', type: 'tmpfs' }] }));
    expect(order.indexOf('mount.3.readonly')).toBeGreaterThan(order.indexOf('mount.4.attach'));
    expect(order).not.toContain('mount.4.readonly');
  });

  it('gives the same plan for the same input, and plain JSON', () => {
    expect(build()).toEqual(build());
    expect(JSON.parse(JSON.stringify(build()))).toEqual(build());
  });

  it('only ever jumps forward, to steps that are there', () => {
    for (const plan of [build(), build(USER_SPEC, USER_FACTS), build(SPEC, { ...ROOT_FACTS, pivotRoot: false }), build({ ...SPEC, process: { ...SPEC.process!, terminal: true } })]) {
      const order = new Map(ids(plan).map((id, index) => [id, index]));
      plan.child.forEach((child, index) => {
        for (const target of [child.onError.action === 'jump' ? child.onError.to : undefined, child.onSuccess]) {
          if (target !== undefined) expect(order.get(target), `${child.id} → ${target}`).toBeGreaterThan(index);
        }
      });
    }
  });

  it('fills every slot before it is used', () => {
    for (const plan of [build(), build(USER_SPEC, USER_FACTS)]) {
      const filled = new Set(plan.prepare.flatMap((prepare) => (prepare.call === 'open' ? [prepare.result] : [])));
      for (const child of plan.child) {
        const used = JSON.stringify(child.args).matchAll(/\{"slot":"([^"]+)"\}/g);
        for (const [, name] of used) if (!(name ?? '').startsWith('system.')) expect(filled, `${child.id} uses ${name}`).toContain(name);
        if (child.result !== undefined) filled.add(child.result);
      }
    }
  });

  it('drops the bounding set before the user changes, and loads the filter after no_new_privs', () => {
    const order = ids(build({ ...SPEC, linux: { ...SPEC.linux, seccomp: { defaultAction: 'SCMP_ACT_ALLOW' } } }));
    const at = (id: string): number => order.indexOf(id);
    expect(at('caps.drop.CAP_SYS_ADMIN')).toBeLessThan(at('uid'));
    expect(at('uid')).toBeLessThan(at('caps.set'));
    expect(at('no-new-privs')).toBeLessThan(at('seccomp'));
    expect(at('seccomp')).toBeLessThan(at('exec'));
  });

  it('uses mount(2) for the layers only where the kernel lacks lowerdir+', () => {
    const old = build(SPEC, { ...ROOT_FACTS, overlay: { api: 'mount' } });
    expect(step(old, 'root.overlay')?.call).toBe('mount');
    expect(step(build(), 'root.overlay')).toBeUndefined();
  });

  it('moves the root where pivot_root is not possible, and with noPivot', () => {
    for (const plan of [build(SPEC, { ...ROOT_FACTS, pivotRoot: false }), build(SPEC, ROOT_FACTS, { noPivot: true })]) {
      expect(ids(plan)).not.toContain('switch.pivot');
      expect(ids(plan)).toContain('switch.move');
    }
  });

  it('looks for the command in PATH, in order, and takes a path as it is', () => {
    expect(step(build(), 'exec')?.args).toMatchObject({ candidates: ['/usr/bin/sh', '/bin/sh'] });
    const direct = build({ ...SPEC, process: { ...SPEC.process!, args: ['./x'] } });
    expect(step(direct, 'exec')?.args).toMatchObject({ candidates: ['./x'] });
  });

  it('leaves out a capability that this process does not hold, and says so', () => {
    const plan = build({ ...SPEC, process: { ...SPEC.process!, capabilities: { bounding: ['CAP_SYS_TIME'], effective: [], permitted: [] } } });
    expect(plan.warnings).toEqual(['capability CAP_SYS_TIME is left out: this process does not hold it']);
  });

  it('refuses an id that the user namespace does not map, with what would map it', () => {
    const spec: Spec = { ...USER_SPEC, process: { ...SPEC.process!, user: { uid: 33, gid: 0 } } };
    expect(() => build(spec, USER_FACTS)).toThrow(/run as uid 33: it is not mapped in the user namespace; mapped: 0-0/);
  });

  it('refuses a user namespace where the kernel forbids it, with the hint of the probe', () => {
    const facts = { ...USER_FACTS, userNamespaces: { usable: false, refusal: 'user.max_user_namespaces is 0', hint: 'sysctl -w user.max_user_namespaces=10000' } };
    expect(() => build(USER_SPEC, facts)).toThrow(/user.max_user_namespaces is 0/);
  });

  it('refuses a spec without a mount namespace', () => {
    expect(() => build({ ...SPEC, linux: { ...SPEC.linux, namespaces: [{ type: 'pid' }] } })).toThrow(/mount namespace/);
  });
});
