import { describe, expect, it } from 'vitest';
import type { ImageConfig } from '@tsc-box/model';
import { containerConfig, type ConfigSources } from './container-config.ts';

const image: ImageConfig = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, config: { Env: ['PATH=/bin', 'A=image'], Cmd: ['serve'], Entrypoint: ['/entry'], Labels: { a: '1' }, WorkingDir: '/srv', ExposedPorts: { '80/tcp': {} } } };
const of = (more: Partial<ConfigSources> = {}) => containerConfig({ image, options: {}, command: [], env: ['PATH=/bin', 'A=image', 'HOME=/root', 'HOSTNAME=x'], labels: {}, readFile: () => undefined, ...more });

describe('containerConfig', () => {
  it('is the image\'s own where run was told nothing', () => {
    expect(of()).toEqual(image.config);
  });

  it('podman#3708: has the command of run beside the entry point, not glued to it', () => {
    expect(of({ command: ['two words', 'x'] })).toMatchObject({ Entrypoint: ['/entry'], Cmd: ['two words', 'x'] });
    expect(of({ options: { entrypoint: '/other' } }).Cmd).toBeUndefined();
    expect(of({ options: { entrypoint: '' }, command: ['sh'] })).toMatchObject({ Cmd: ['sh'] });
  });

  it('has the environment that the user set, and none that is each container\'s own', () => {
    const { Env } = of({ options: { env: ['A', 'B=c=d'], envFiles: ['f'] }, env: ['PATH=/bin', 'A=caller', 'B=c=d', 'F=1', 'HOME=/root'], readFile: () => '# no\nF=1\n' });
    expect(Env).toEqual(['PATH=/bin', 'A=caller', 'B=c=d', 'F=1']);
  });

  it('has user, directory and labels of run', () => {
    expect(of({ options: { user: '1:2', workdir: '/w', stopSignal: 'SIGINT' }, labels: { b: '2' } })).toMatchObject({ User: '1:2', WorkingDir: '/w', StopSignal: 'SIGINT', Labels: { a: '1', b: '2' } });
  });
});
