import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBox, type Box } from '../../packages/cli/src/index.ts';
import { copyCommand, refusalForUser, USER } from '../cases/ordinary-user.ts';
import { makeHome, refusal } from '../cli/command.ts';

const why = refusal();
/** Not below /tmp: a container's is fresh and empty. */
const BASE = '/var/lib';

describe.skipIf(why !== undefined)(`try and apply${why === undefined ? '' : ` (${why})`}`, () => {
  const root = mkdtempSync(join(tmpdir(), 'tsc-box-try-'));
  let box: Box;
  let place = '';
  beforeAll(async () => {
    box = await openBox({ root });
  });
  beforeEach(() => {
    place = mkdtempSync(join(BASE, 'tsc-box-try-'));
    for (const [name, text] of [['kept', 'kept\n'], ['changed', 'old\n'], ['removed', 'x'], ['d/old', 'old']] as const) {
      mkdirSync(join(place, 'd'), { recursive: true });
      writeFileSync(join(place, name), text);
    }
  });
  afterEach(() => rmSync(place, { recursive: true, force: true }));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const attempt = (script: string) => box.try({ command: ['sh', '-c', script], cwd: place });
  const outcomes = (results: readonly { readonly path: string; readonly outcome: string }[]) => Object.fromEntries(results.map(({ path, outcome }) => [path.slice(place.length + 1), outcome]));
  const left = () => readdirSync(place, { recursive: true, encoding: 'utf8' }).sort();

  it('shows what a command would change, and changes nothing until that is applied', async () => {
    await using tried = await attempt('echo new >>changed; rm removed; mkdir -p a/b; echo hi >a/b/c; ln a/b/c a/other; ln -s c a/b/link; chmod 2750 a; chown 7:8 a/b/c; touch -d @1000 a/b/c');
    const before = left();
    expect(tried.result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(tried.changes().filter(({ path }) => path.startsWith(`${place}/`)).map(({ kind, path }) => `${kind} ${path.slice(place.length + 1)}`)).toEqual(['A a', 'A a/b', 'A a/b/c', 'A a/b/link', 'A a/other', 'C changed', 'D removed']);
    expect(left()).toEqual(before);
    expect(new Set(Object.values(outcomes(await tried.apply())))).toEqual(new Set(['applied']));
    expect(readFileSync(join(place, 'changed'), 'utf8')).toBe('old\nnew\n');
    expect(left()).toEqual(['a', 'a/b', 'a/b/c', 'a/b/link', 'a/other', 'changed', 'd', 'd/old', 'kept']);
    const [one, other] = ['a/b/c', 'a/other'].map((name) => lstatSync(join(place, name)));
    expect(one).toMatchObject({ uid: 7, gid: 8, nlink: 2, ino: other?.ino, mtimeMs: 1_000_000 });
    expect(readlinkSync(join(place, 'a/b/link'))).toBe('c');
    expect(lstatSync(join(place, 'a')).mode & 0o7777).toBe(0o2750);
    expect(await tried.apply()).toEqual([]);
  });

  it('case 46 (binpash/try#163): a directory that was removed and made again loses what it had', async () => {
    await using tried = await attempt('rm -r d; mkdir d; touch d/new');
    await tried.apply();
    expect(readdirSync(join(place, 'd'))).toEqual(['new']);
  });

  it('files take the place of directories and directories that of files', async () => {
    await using tried = await attempt('rm -r d; echo file >d; rm changed; mkdir changed; touch changed/inside');
    await tried.apply();
    expect(readFileSync(join(place, 'd'), 'utf8')).toBe('file\n');
    expect(readdirSync(join(place, 'changed'))).toEqual(['inside']);
  });

  it('leaves alone what was changed here meanwhile, and applies the rest', async () => {
    await using tried = await attempt('echo theirs >changed; rm removed; rm -r d; echo y >kept; touch fine');
    writeFileSync(join(place, 'changed'), 'mine');
    writeFileSync(join(place, 'removed'), 'mine');
    writeFileSync(join(place, 'd', 'mine'), 'mine');
    rmSync(join(place, 'kept'));
    const results = await tried.apply();
    expect(outcomes(results)).toEqual({ changed: 'conflict', removed: 'conflict', d: 'conflict', kept: 'conflict', fine: 'applied' });
    expect(results.find(({ path }) => path.endsWith('/changed'))?.reason).toMatch(/changed on this machine at .*after the container was made/);
    expect(results.find(({ path }) => path.endsWith('/kept'))?.reason).toMatch(/removed on this machine/);
    expect([readFileSync(join(place, 'changed'), 'utf8'), left()]).toEqual(['mine', ['changed', 'd', 'd/mine', 'd/old', 'fine', 'removed']]);
    await tried.apply({ force: true });
    expect(left()).toEqual(['changed', 'fine', 'kept']);
  });

  it('applies chosen paths only, and refuses those without a change', async () => {
    await using tried = await attempt('mkdir -p new/deep; touch new/deep/one new/two; rm removed');
    await expect(tried.apply({ paths: [join(place, 'kept')] })).rejects.toThrow(/nothing was changed at/);
    await expect(tried.apply({ paths: ['new'] })).rejects.toThrow(/absolute/);
    await tried.apply({ paths: [join(place, 'new/deep')], dryRun: true });
    expect(left()).not.toContain('new');
    await tried.apply({ paths: [join(place, 'new/deep')] });
    expect(left().filter((name) => name.startsWith('new') || name === 'removed')).toEqual(['new', 'new/deep', 'new/deep/one', 'removed']);
  });

  it('is not led elsewhere by a link that took the place of a directory', async () => {
    const elsewhere = mkdtempSync(join(BASE, 'tsc-box-elsewhere-'));
    try {
      await using tried = await attempt('echo bad >d/new; echo bad >d/old');
      rmSync(join(place, 'd'), { recursive: true });
      symlinkSync(elsewhere, join(place, 'd'));
      expect(new Set(Object.values(outcomes(await tried.apply())))).not.toContain('applied');
      expect(readdirSync(elsewhere)).toEqual([]);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  it('hides paths and keeps others from being written to', async () => {
    await using tried = await box.try({ command: ['sh', '-c', 'cat changed; ls d; echo x >kept; echo out'], cwd: place, hiddenPaths: [join(place, 'changed'), join(place, 'd')], readOnlyPaths: [join(place, 'kept')] });
    expect(tried.result.stdout).toBe('out\n');
    expect(tried.result.stderr).toMatch(/[Rr]ead-only/);
  });

  it('leaves no container behind, whether discarded, refused or aborted', async () => {
    const tried = await attempt('touch new');
    tried.discard();
    await tried[Symbol.asyncDispose]();
    await expect(box.try({ command: ['yes'], cwd: place, maxOutput: 4096 })).rejects.toThrow(/wrote more/);
    await expect(box.try({ command: ['no-such-command'], cwd: place })).rejects.toThrow(/no-such-command/);
    expect(box.list()).toEqual([]);
  });

  it('refuses containers of other images, and those that run', async () => {
    await using running = await box.start({ image: 'host', command: ['sleep', '1000'] });
    await expect(box.engine.apply(running.id)).rejects.toThrow(/it runs/);
  });
});

describe.skipIf(why !== undefined)(`tsc-box try${why === undefined ? '' : ` (${why})`}`, () => {
  it('applies with --apply, keeps without a terminal, discards with --discard', () => {
    const home = makeHome();
    const place = mkdtempSync(join(BASE, 'tsc-box-try-'));
    try {
      expect(home.run(['try', '--apply', 'sh', '-c', 'echo new >made; exit 0'], { cwd: place })).toMatchObject({ code: 0, stderr: expect.stringContaining(`A ${place}/made`) as string });
      expect(readFileSync(join(place, 'made'), 'utf8')).toBe('new\n');
      expect(home.run(['try', '--apply', 'sh', '-c', 'echo new >other; exit 3'], { cwd: place })).toMatchObject({ code: 3, stderr: expect.stringMatching(/nothing is applied[^]*kept: tsc-box apply/) as string });
      const { stdout } = home.run(['ps', '-aq']);
      expect(home.run(['apply', stdout.trim(), 'other'], { cwd: place })).toMatchObject({ code: 0, stdout: `applied ${place}/other\n` });
      expect(home.run(['rm', stdout.trim()]).code).toBe(0);
      expect(home.run(['try', '--discard', '--timeout', '200ms', 'sh', '-c', 'touch gone; sleep 1000'], { cwd: place })).toMatchObject({ code: 124, stderr: expect.stringContaining('A ') as string });
      expect(readdirSync(place).sort()).toEqual(['made', 'other']);
      expect(home.run(['try', '--apply', '--discard', 'true'])).toMatchObject({ code: 125, stderr: expect.stringContaining('--apply and --discard') as string });
      expect(home.run(['ps', '-aq']).stdout).toBe('');
    } finally {
      rmSync(place, { recursive: true, force: true });
      home.remove();
    }
  });
});

const whyUser = refusalForUser();
describe.skipIf(whyUser !== undefined)(`tsc-box try as an ordinary user${whyUser === undefined ? '' : ` (${whyUser})`}`, () => {
  it("applies changes below the user's own directories, and says what the user may not write", () => {
    const command = copyCommand();
    const home = makeHome(USER, command);
    const place = mkdtempSync(join(BASE, 'tsc-box-try-'));
    chmodSync(place, 0o755);
    const own = join(place, 'own');
    mkdirSync(own);
    writeFileSync(join(own, 'changed'), 'old\n');
    for (const path of [own, join(own, 'changed')]) chownSync(path, USER, USER);
    try {
      const tried = home.run(['try', '--keep', 'sh', '-c', 'echo new >>changed; mkdir made; touch made/inside; echo x >/etc/tsc-box-made'], { cwd: own });
      expect(tried).toMatchObject({ code: 0 });
      const name = /tsc-box apply (\S+),/.exec(tried.stderr)?.[1] ?? '';
      const applied = home.run(['apply', name]);
      expect(applied).toMatchObject({ code: 1, stdout: expect.stringContaining('failed /etc/tsc-box-made: this user may not write there (EACCES)') as string });
      expect(readFileSync(join(own, 'changed'), 'utf8')).toBe('old\nnew\n');
      expect(lstatSync(join(own, 'made', 'inside'))).toMatchObject({ uid: USER, gid: USER });
      expect(home.run(['rm', name]).code).toBe(0);
    } finally {
      for (const path of [place, home.directory, dirname(command)]) rmSync(path, { recursive: true, force: true });
    }
  });
});
