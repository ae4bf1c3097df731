import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BoxError } from '@tsc-box/model';
import { temporaryDirectory } from '../store/fixture.testing.ts';
import { dockerCredentials } from './docker-config.ts';

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory[Symbol.dispose]());

async function failure(promise: Promise<unknown>): Promise<BoxError> {
  const error: unknown = await promise.then(() => new Error('it did not fail'), (thrown: unknown) => thrown);
  if (error instanceof BoxError) return error;
  throw error;
}

describe('credentials', () => {
  const write = (config: object): string => {
    mkdirSync(`${directory.path}/docker`, { recursive: true });
    writeFileSync(`${directory.path}/docker/config.json`, JSON.stringify(config));
    return `${directory.path}/docker`;
  };
  const auth = (text: string): { readonly auth: string } => ({ auth: Buffer.from(text).toString('base64') });

  it('are found by registry, older addresses, and parts of a registry', async () => {
    const find = dockerCredentials({ DOCKER_CONFIG: write({ auths: { 'https://index.docker.io/v1/': auth('hub:1'), 'https://old.example/v1/': auth('old:2'), 'a.example/team': auth('team:3'), 'a.example': auth('all:4'), 'token.example': { identitytoken: 'T' } } }) });
    const user = async (registryName: string, repository = 'x'): Promise<string | undefined> => {
      const found = await find(registryName, repository);
      return found === undefined ? undefined : found.kind === 'token' ? found.token : `${found.username}:${found.password}`;
    };
    expect(await Promise.all([user('docker.io'), user('old.example'), user('a.example', 'team/app'), user('a.example', 'other'), user('token.example'), user('none.example')])).toEqual(['hub:1', 'old:2', 'team:3', 'all:4', 'T', undefined]);
  });

  it('come from helpers, which are run without a shell', async () => {
    const bin = `${directory.path}/bin`;
    mkdirSync(bin);
    const helper = (suffix: string, script: string): void => {
      writeFileSync(`${bin}/docker-credential-${suffix}`, `#!/bin/sh\n${script}\n`);
      chmodSync(`${bin}/docker-credential-${suffix}`, 0o755);
    };
    helper('good', `read server; echo "$1 $server" > ${directory.path}/asked; echo '{"ServerURL":"x","Username":"u","Secret":"s"}'`);
    helper('token', `echo '{"Username":"<token>","Secret":"s"}'`);
    helper('none', `echo 'credentials not found in native keychain'; exit 1`);
    helper('bad', `echo 'locked'; exit 2`);
    const env = { DOCKER_CONFIG: write({ credsStore: 'none', credHelpers: { 'a.example': 'good', 'b.example': 'token', 'c.example': 'bad', 'd.example': 'absent', 'e.example': '../x;y' }, auths: { 'f.example': auth('file:1') } }), PATH: `${bin}:${process.env['PATH'] ?? ''}` };
    const find = dockerCredentials(env);
    expect(await find('a.example', 'x')).toEqual({ kind: 'basic', username: 'u', password: 's' });
    expect(readFileSync(`${directory.path}/asked`, 'utf8')).toBe('get a.example\n');
    expect(await find('b.example', 'x')).toEqual({ kind: 'token', token: 's' });
    expect((await failure(find('c.example', 'x'))).message).toContain('it ended with status 2: locked');
    expect((await failure(find('d.example', 'x'))).message).toContain('there is no such program in PATH');
    expect((await failure(find('e.example', 'x'))).message).toContain('"../x;y"');
    expect(await find('f.example', 'x')).toEqual({ kind: 'basic', username: 'file', password: '1' });
  });

  it('a damaged file is named', async () => {
    mkdirSync(`${directory.path}/docker`);
    writeFileSync(`${directory.path}/docker/config.json`, '{');
    expect((await failure(dockerCredentials({ HOME: '/nonexistent', DOCKER_CONFIG: `${directory.path}/docker` })('a', 'b'))).path).toBe(`${directory.path}/docker/config.json`);
  });
});
