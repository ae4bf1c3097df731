import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../store/fixture.testing.ts';
import { dockerCredentials } from './docker-config.ts';
import { hasDockerRegistry, NEEDS_REGISTRY, startDockerRegistry } from './docker-registry.testing.ts';
import { login, logout } from './login.ts';

const me = (password: string) => ({ kind: 'basic', username: 'me', password }) as const;

describe.skipIf(!hasDockerRegistry)(`login ${NEEDS_REGISTRY}`, () => {
  it('tries the credentials, keeps them for this user only, finds them again, and forgets them', async () => {
    using directory = temporaryDirectory();
    const registry = await startDockerRegistry(directory.path, { password: true });
    const env = { HOME: `${directory.path}/home`, PATH: process.env.PATH };
    const file = `${env.HOME}/.docker/config.json`;
    try {
      await expect(login(registry.host, me('wrong'), { env })).rejects.toThrow(/log in to .*401|unauthorized|authentication/i);
      expect(await dockerCredentials(env)(registry.host, 'a')).toBeUndefined();
      expect(await login(registry.host, me('secret'), { env })).toEqual({ kept: file, plain: true });
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(await dockerCredentials(env)(registry.host, 'a')).toEqual(me('secret'));
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')) as object, psFormat: 'kept' }));
      expect(await logout(registry.host, { env })).toBe(file);
      expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ auths: {}, psFormat: 'kept' });
      expect(await logout(registry.host, { env })).toBeUndefined();
    } finally {
      await registry.stop();
    }
  });

  it('gives them to the credential helper that the file names, and leaves a file that is no JSON alone', async () => {
    using directory = temporaryDirectory();
    const registry = await startDockerRegistry(directory.path, { password: true });
    const [docker, helper] = [`${directory.path}/docker`, `${directory.path}/docker-credential-test`];
    const env = { DOCKER_CONFIG: docker, PATH: `${directory.path}:${process.env.PATH ?? ''}`, KEPT: `${directory.path}/kept` };
    writeFileSync(helper, '#!/bin/sh\ncase $1 in store) cat > "$KEPT";; get) cat "$KEPT" | sed s/ServerURL/Server/;; erase) rm -f "$KEPT";; esac\n');
    chmodSync(helper, 0o755);
    try {
      await login(registry.host, me('secret'), { env });
      writeFileSync(`${docker}/config.json`, JSON.stringify({ credsStore: 'test' }));
      expect(await login(registry.host, me('secret'), { env })).toEqual({ kept: 'docker-credential-test', plain: false });
      expect(JSON.parse(readFileSync(env.KEPT, 'utf8'))).toEqual({ ServerURL: registry.host, Username: 'me', Secret: 'secret' });
      expect(readFileSync(`${docker}/config.json`, 'utf8')).not.toContain(Buffer.from('me:secret').toString('base64'));
      expect(await dockerCredentials(env)(registry.host, 'a')).toEqual(me('secret'));
      writeFileSync(`${docker}/config.json`, '{ broken');
      await expect(login(registry.host, me('secret'), { env })).rejects.toThrow(/no JSON/);
      expect(readFileSync(`${docker}/config.json`, 'utf8')).toBe('{ broken');
    } finally {
      await registry.stop();
    }
  });
});
