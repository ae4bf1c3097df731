/** The image commands for a user without root: the same store, commit and cp, with owners kept aside. */
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyCommand, refusalForUser, USER } from '../cases/ordinary-user.ts';
import { makeHome } from '../cli/command.ts';
import { busyboxImages } from '../images/busybox.ts';
import { missingCommand } from '../images/cache.ts';

const missing = missingCommand('busybox', 'umoci', 'skopeo');
const why = refusalForUser() ?? (missing === undefined ? undefined : `needs ${missing}`);

describe.skipIf(why !== undefined)(`image commands of an ordinary user${why === undefined ? '' : ` (${why})`}`, () => {
  const command = why === undefined ? copyCommand() : '';
  const home = makeHome(USER, command);
  const work = join(home.directory, 'work');
  const ok = (...args: readonly string[]): string => {
    const result = home.run(args, { cwd: work });
    expect({ args, ...result, stdout: '' }).toEqual({ args, code: 0, signal: null, stdout: '', stderr: '' });
    return result.stdout;
  };

  beforeAll(() => {
    mkdirSync(work);
    cpSync(join(busyboxImages(), 'docker.tar'), join(work, 'docker.tar'));
    writeFileSync(join(work, 'file'), 'mine\n');
    spawnSync('chown', ['-R', `${String(USER)}:${String(USER)}`, work]);
    ok('load', '-i', 'docker.tar');
  });
  afterAll(() => {
    home.remove();
    if (command !== '') rmSync(dirname(command), { recursive: true, force: true });
  });

  it('commits what is root\'s inside as root\'s, also directories that were copied up', () => {
    ok('run', '--name', 'one', 'tsc-box-test:1', 'sh', '-c', 'echo x >/data/new; rm /data/kept; mkdir /home/alice/d');
    ok('commit', 'one', 'made:1');
    expect(ok('run', '--rm', 'made:1', 'stat', '-c', '%u:%g %n', '/data', '/data/new', '/home/alice', '/home/alice/d')).toBe('0:0 /data\n0:0 /data/new\n0:0 /home/alice\n0:0 /home/alice/d\n');
    ok('export', '-o', 'root.tar', 'one');
    const { stdout } = spawnSync('tar', ['--numeric-owner', '-tvf', join(work, 'root.tar')], { encoding: 'utf8' });
    expect(stdout).not.toMatch(new RegExp(`\\b${String(USER)}/`));
  });

  it('copies both ways', () => {
    ok('cp', 'one:/data/new', 'fetched');
    expect(lstatSync(join(work, 'fetched')).uid).toBe(USER);
    expect(readFileSync(join(work, 'fetched'), 'utf8')).toBe('x\n');
    ok('cp', 'file', 'one:/home/alice/put');
    ok('cp', 'file', 'one:/data/kept');
    ok('commit', 'one', 'made:2');
    expect(ok('run', '--rm', 'made:2', 'cat', '/home/alice/put', '/data/kept')).toBe('mine\nmine\n');
  });

  it('removes unpacked layers with the image', () => {
    ok('rm', 'one');
    const layers = (): number => Number(spawnSync('sh', ['-c', `ls ${join(home.store, 'layers')} | wc -l`], { encoding: 'utf8' }).stdout);
    const before = layers();
    ok('rmi', 'made:1', 'made:2');
    expect(layers()).toBe(before - 2);
    expect(existsSync(join(home.store, 'images/index.json'))).toBe(true);
    expect(ok('fsck')).toBe('The store is whole.\n');
  });
});
