import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeHome, refusal } from '../cli/command.ts';
import { busyboxImages, busyboxRoot } from '../images/busybox.ts';
import { missingCommand } from '../images/cache.ts';
import { listFiles, readText, root } from '../tidy/repository.ts';

const readme = readText('README.md');
const blocks = (language: string): readonly string[] => [...readme.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) => text ?? '');
const commands = blocks('console').flatMap((block) => block.split('\n')).filter((line) => line.startsWith('$ ')).map((line) => line.slice(2));

const BUNDLE = {
  ociVersion: '1.2.0',
  process: { args: ['cat', '/etc/issue'], cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } },
  root: { path: 'rootfs' },
  mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }, { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] }],
  linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }] },
};

describe('the README', () => {
  it('names only flags that the command has', () => {
    const sources = listFiles('packages/cli/src').map(readText).join('\n');
    const used = new Set([...blocks('console').join('\n').matchAll(/tsc-box [^\n]*/g)].flatMap(([line]) => line.match(/(?<= )--[a-z][a-z-]+/g) ?? []));
    const inline = [...readme.matchAll(/`[^`\n]*`/g)].flatMap(([code]) => code.replace(/systemd-run .* tsc-box/, 'tsc-box').match(/(?<=[` |])--[a-z][a-z-]+/g) ?? []);
    const unknown = [...used, ...inline].filter((flag) => !sources.includes(flag));
    expect(unknown).toEqual([]);
  });

  const why = refusal() ?? (missingCommand('busybox', 'umoci', 'skopeo') === undefined ? undefined : `needs ${missingCommand('busybox', 'umoci', 'skopeo') ?? ''}`);
  describe.skipIf(why !== undefined)(`its examples${why === undefined ? '' : ` (${why})`}`, () => {
    const home = makeHome();
    const bin = join(home.directory, 'bin');
    const example = join(root, 'packages', 'cli', 'dist', `readme-${String(process.pid)}.mjs`);
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH ?? ''}` };

    beforeAll(() => {
      const work = home.directory;
      mkdirSync(bin);
      const bundle = join(root, 'packages', 'cli', 'dist', 'tsc-box.cjs');
      writeFileSync(join(bin, 'tsc-box'), `#!/bin/sh\nexec '${process.execPath}' '${bundle}' --root '${home.store}' "$@"\n`);
      chmodSync(join(bin, 'tsc-box'), 0o755);
      symlinkSync(join(busyboxImages(), 'oci'), join(work, 'image'));
      symlinkSync(join(busyboxImages(), 'docker.tar'), join(work, 'image.tar'));
      for (const place of ['rootfs', 'bundle/rootfs']) cpSync(busyboxRoot(), join(work, place), { recursive: true, verbatimSymlinks: true });
      writeFileSync(join(work, 'bundle', 'config.json'), JSON.stringify(BUNDLE));
    });
    afterAll(() => {
      home.remove();
      rmSync(example, { force: true });
    });

    // In the order of the page: later lines use what earlier ones made.
    it.each(commands)('%s', (command) => {
      const { status, stderr, stdout } = spawnSync('sh', ['-c', command], { cwd: home.directory, env, encoding: 'utf8', timeout: 60_000 });
      expect({ command, status, stderr, stdout: status === 0 ? '' : stdout }).toEqual({ command, status: 0, stderr: '', stdout: '' });
    });

    it.each(blocks('js').map((code, index) => [index + 1, code] as const))('the library example %i', (_, code) => {
      // In the store of this test, not in the machine's.
      writeFileSync(example, code.replace('openBox()', `openBox({ root: ${JSON.stringify(join(home.directory, 'library'))} })`));
      const { status, stdout, stderr } = spawnSync(process.execPath, [example], { cwd: home.directory, encoding: 'utf8', timeout: 60_000 });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(/^exit code 3, \d+ bytes, from inside\n\n0\n\n$/);
    });
  });
});
