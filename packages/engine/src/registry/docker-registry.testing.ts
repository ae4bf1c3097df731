/** Debian's docker-registry on loopback, for tests. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

export const hasDockerRegistry: boolean = spawnSync('docker-registry', ['--version']).status === 0;
export const NEEDS_REGISTRY = '(needs docker-registry: apt-get install docker-registry)';

/** bcrypt of `secret`. */
const HTPASSWD = 'me:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n';

export interface RunningRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly log: () => string;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => void server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Keeps its data in `directory`. `password`: only user `me` with the password `secret` may use it. */
export async function startDockerRegistry(directory: string, { password = false } = {}): Promise<RunningRegistry> {
  const port = await freePort();
  mkdirSync(`${directory}/data`, { recursive: true });
  writeFileSync(`${directory}/htpasswd`, HTPASSWD);
  const auth = password ? `auth:\n  htpasswd:\n    realm: test\n    path: ${directory}/htpasswd\n` : '';
  writeFileSync(`${directory}/config.yml`, `version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: ${directory}/data\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:${String(port)}\n${auth}`);
  const child = spawn('docker-registry', ['serve', `${directory}/config.yml`], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const pipe of [child.stdout, child.stderr]) pipe.setEncoding('utf8').on('data', (text: string) => void (log += text));
  const ended = new Promise((resolve) => void child.on('close', resolve));
  const host = `127.0.0.1:${String(port)}`;
  await untilAnswering(`http://${host}/v2/`, () => child.exitCode !== null, () => log);
  return { host, log: () => log, async stop() {
    child.kill('SIGKILL');
    await ended;
  } };
}

async function untilAnswering(url: string, hasEnded: () => boolean, log: () => string): Promise<void> {
  const end = Date.now() + 20_000;
  while (Date.now() < end && !hasEnded()) {
    try {
      await (await fetch(url)).body?.cancel();
      return;
    } catch {
      await new Promise((resolve) => void setTimeout(resolve, 20));
    }
  }
  throw new Error(`docker-registry does not answer: ${log()}`);
}
