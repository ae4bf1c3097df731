import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, type BigIntStats } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setXattr } from './syscalls.unsafe.ts';
import { diffUpper } from './upper.ts';

const isRoot = process.geteuid?.() === 0;

let work: string;
const at = (...names: readonly string[]): string => join(work, ...names);
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'tsc-box-upper-'));
  for (const name of ['bottom', 'top', 'upper', 'work', 'merged']) mkdirSync(at(name));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const sh = (directory: string, script: string): void => void execFileSync('sh', ['-ec', `cd "$1"; ${script}`, 'sh', directory], { stdio: ['ignore', 'pipe', 'pipe'] });
const OPTIONS = 'index=off,metacopy=off,redirect_dir=nofollow,xino=off';

/** Mounts the layers, writable or not, while `use` runs. */
function mounted<T>(writable: boolean, use: (merged: string) => T): T {
  const upper = writable ? `,upperdir=${at('upper')},workdir=${at('work')}` : '';
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `${OPTIONS},lowerdir=${at('top')}:${at('bottom')}${upper}`, at('merged')]);
  try {
    return use(at('merged'));
  } finally {
    execFileSync('umount', [at('merged')]);
  }
}

function listed(root: string): Map<string, BigIntStats> {
  const found = new Map<string, BigIntStats>();
  const visit = (path: string): void => {
    const stat = lstatSync(`${root}${path}`, { bigint: true });
    if (path !== '') found.set(path, stat);
    if (stat.isDirectory()) for (const name of readdirSync(`${root}${path}`)) visit(`${path}/${name}`);
  };
  visit('');
  return found;
}

/** K1 and K2, as docker does it: by two whole trees. */
function doubleWalk(before: ReadonlyMap<string, BigIntStats>, after: ReadonlyMap<string, BigIntStats>): string[] {
  const lines = new Map<string, string>();
  const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
  const touchParents = (path: string): void => {
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) if (!lines.has(parent)) lines.set(parent, before.has(parent) ? 'C' : 'A');
  };
  const note = (path: string, kind: string): void => {
    lines.set(path, kind);
    touchParents(path);
  };
  for (const [path, stat] of after) {
    const old = before.get(path);
    const same = old !== undefined && old.mode === stat.mode && old.uid === stat.uid && old.gid === stat.gid && old.rdev === stat.rdev && (stat.isDirectory() || (old.size === stat.size && old.mtimeNs === stat.mtimeNs));
    if (!same) note(path, old === undefined ? 'A' : 'C');
  }
  for (const path of before.keys()) if (!after.has(path) && (parentOf(path) === '' || after.get(parentOf(path))?.isDirectory() === true)) note(path, 'D');
  return [...lines].map(([path, kind]) => `${kind} ${path}`).toSorted((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1));
}

const ours = (): string[] => diffUpper(at('upper'), [at('top'), at('bottom')]).map(({ kind, path }) => `${kind} ${path}`);

describe.skipIf(!isRoot)('diffUpper on what the kernel leaves in an upper directory (needs root)', () => {
  beforeEach(() => {
    sh(at('bottom'), 'mkdir -p d/s/deep e h usr/bin; echo hidden >h/hidden; for f in d/a d/b d/s/x d/s/deep/y e/f plain other usr/bin/tool usr/bin/two; do echo $f >$f; done; ln plain linked; ln -s plain soft; chmod 4755 usr/bin/tool');
    sh(at('top'), 'mkdir -p d/s2 only/top; echo z >d/s2/z; echo t >only/top/t; mknod plain c 0 0; chmod 0 plain; mkdir -p h');
    setXattr(at('top', 'h'), 'trusted.overlay.opaque', Uint8Array.of(0x79));
  });

  it.each([
    ['nothing', 'true'],
    ['reads and failed writes', 'cat other d/a >/dev/null; ls -R . >/dev/null'],
    ['opening to write without a change', 'exec 3<>other; exec 3<&-; touch -c -r other other'],
    ['additions, changes and removals', 'echo new >n; echo more >>other; rm d/a; mkdir -p x/y; echo z >x/y/z; chmod 600 usr/bin/two'],
    ['a directory that is removed and made again', 'rm -rf d; mkdir d; echo a >d/a'],
    ['a directory that becomes a file, a file that becomes a directory', 'rm -rf d; echo file >d; rm other; mkdir other; echo in >other/in'],
    ['renames of files', 'mv other renamed; mv d/a d/b; mv e/f f'],
    ['hard links', 'ln other other2; ln linked d/linked'],
    ['an editor that writes a new file and renames it', 'for i in 1 2 3; do echo $i >.tmp; mv .tmp other; done'],
    ['a removed name that is made again', 'rm other; echo again >other; rm -rf only; mkdir -p only/top; echo t2 >only/top/t2'],
    ['metadata only', 'chown 5:6 d/s; chmod g+s e; chown -h 7 soft; touch -d @5 e/f'],
    ['what layers removed, made again', 'echo back >plain; mkdir h/new; echo q >h/new/q'],
    ['devices, fifos and odd names', 'mknod null c 1 3; mkfifo fifo; echo a >"a b\\tc"; echo w >.wh.odd; mkdir "d/\u00e9"'],
    ['everything removed', 'rm -rf ./*'],
  ])('%s', (_, script) => {
    const before = mounted(false, listed);
    const after = mounted(true, (merged) => {
      sh(merged, script);
      return listed(merged);
    });
    expect(ours()).toEqual(doubleWalk(before, after));
  });

  it('costs what was changed, not what lies below', () => {
    sh(at('bottom'), 'mkdir many; cd many; seq 100 | xargs mkdir; seq 100 | while read d; do seq -f "$d/%g" 100; done | xargs touch');
    mounted(true, (merged) => sh(merged, 'for d in $(seq 10); do echo x >many/$d/1; done'));
    ours();
    const start = performance.now();
    const lines = ours();
    const milliseconds = performance.now() - start;
    expect(lines).toHaveLength(21);
    // 10,000 files lie below; a walk over them takes hundreds of milliseconds here.
    expect(milliseconds).toBeLessThan(100);
  });
});
