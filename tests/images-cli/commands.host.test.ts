/** The image commands of the built command, as a user types them, on images made by umoci and skopeo. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeHome, refusal, type Result } from '../cli/command.ts';
import { busyboxImages } from '../images/busybox.ts';
import { command, missingCommand } from '../images/cache.ts';

const missing = missingCommand('busybox', 'umoci', 'skopeo');
const why = refusal() ?? (missing === undefined ? undefined : `needs ${missing}`);
const IMAGE = 'tsc-box-test:1';

describe.skipIf(why !== undefined)(`image commands${why === undefined ? '' : ` (${why})`}`, () => {
  const home = makeHome();
  const work = home.directory;
  const box = (...args: readonly string[]): Result => home.run(args, { cwd: work });
  /** Standard output of what must work. */
  const ok = (...args: readonly string[]): string => {
    const result = box(...args);
    expect({ args, ...result, stdout: '' }).toEqual({ args, code: 0, signal: null, stdout: '', stderr: '' });
    return result.stdout;
  };
  const refused = (...args: readonly string[]): string => {
    const { code, stderr } = box(...args);
    expect({ args, code }).toEqual({ args, code: 125 });
    return stderr;
  };

  beforeAll(() => {
    ok('load', '-i', join(busyboxImages(), 'docker.tar'));
  });
  afterAll(() => home.remove());

  describe('the store', () => {
    it('runs an image by its name and by the beginning of its id', () => {
      expect(ok('run', '--rm', IMAGE)).toBe('second\n');
      const id = ok('images', '-q').trim();
      expect(id).toMatch(/^[0-9a-f]{12}$/);
      expect(ok('run', '--rm', id, 'cat', '/data/kept')).toBe('kept\n');
    });

    it('says how to get an image that is missing, with --pull never', () => {
      const text = refused('run', '--rm', '--pull', 'never', 'nope:1', 'true');
      expect(text).toContain('the store has no such image');
      expect(text).toContain('tsc-box pull nope:1');
    });

    it('lists images as a table, ids, and JSON', () => {
      expect(ok('images')).toMatch(/^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\ntsc-box-test +1 /);
      expect(ok('images', '--digests', '--no-trunc')).toMatch(/sha256:[0-9a-f]{64} +sha256:[0-9a-f]{64}/);
      expect(JSON.parse(ok('images', '--format', 'json', IMAGE))).toMatchObject({ Repository: 'tsc-box-test', Tag: '1' });
      expect(ok('images', '-q', '--filter', 'dangling=true')).toBe('');
      expect(refused('images', '--filter', 'before=x')).toContain('dangling=true|false');
    });

    it('inspects in docker\'s form: RootFS.Layers are the DiffIDs that skopeo tells', () => {
      const [inspected] = JSON.parse(ok('inspect', IMAGE)) as readonly { readonly RootFS: { readonly Layers: readonly string[] }; readonly RepoTags: readonly string[]; readonly Config: { readonly Cmd: readonly string[] } }[];
      const { rootfs } = JSON.parse(command('skopeo', 'inspect', '--config', `docker-archive:${join(busyboxImages(), 'docker.tar')}`)) as { readonly rootfs: { readonly diff_ids: readonly string[] } };
      expect(inspected?.RootFS.Layers).toEqual(rootfs.diff_ids);
      expect(inspected?.RepoTags).toEqual([IMAGE]);
      expect(inspected?.Config.Cmd).toEqual(['cat', '/data/changed']);
      expect(JSON.parse(ok('inspect', '--format', 'json', IMAGE))).toEqual(inspected);
      expect(refused('inspect', 'nope')).toContain('no image and no container');
    });

    it('tags and removes by name; the last name takes the image with it', () => {
      ok('tag', IMAGE, 'other/name:2');
      expect(ok('images', 'other/name')).toContain('other/name');
      expect(ok('rmi', 'other/name:2')).toBe('Untagged: other/name:2\n');
      expect(ok('run', '--rm', IMAGE)).toBe('second\n');
      expect(refused('rmi', 'other/name:2')).toContain('the store has no such image');
    });

    it('does not remove an image that a container was made from, unless forced', () => {
      ok('import', '-c', 'CMD ["true"]', tarOfRoot(work), 'short:1');
      ok('run', '--name', 'user', 'short:1', '/true');
      expect(refused('rmi', 'short:1')).toContain('the container "user" (');
      expect(ok('rmi', '-f', 'short:1')).toMatch(/^Untagged: short:1\nDeleted: sha256:[0-9a-f]{64}\n$/);
      ok('rm', 'user');
    });
  });

  describe('archives', () => {
    it('save gives the same bytes each time, also from another store, and skopeo and umoci read them', () => {
      ok('save', '-o', 'one.tar', IMAGE);
      const piped = spawnSync('sh', ['-c', `"$0" "$@" | cat`, process.execPath, ...argv(home.store), 'save', IMAGE], { maxBuffer: 1 << 26 });
      const sum = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
      expect(sum(piped.stdout)).toBe(sum(readFileSync(join(work, 'one.tar'))));
      const other = makeHome();
      try {
        expect(other.run(['load', '-i', join(work, 'one.tar')]).stdout).toBe(`Loaded image: ${IMAGE}\n`);
        other.run(['save', '-o', join(work, 'two.tar'), IMAGE]);
      } finally {
        other.remove();
      }
      expect(sum(readFileSync(join(work, 'two.tar')))).toBe(sum(readFileSync(join(work, 'one.tar'))));
      command('skopeo', 'copy', `docker-archive:${join(work, 'one.tar')}`, `oci:${join(work, 'again')}:1`);
      ok('save', '--format', 'oci', '-o', 'layout.tar', IMAGE);
      mkdirSync(join(work, 'layout'));
      command('tar', '-xf', join(work, 'layout.tar'), '-C', join(work, 'layout'));
      command('umoci', 'unpack', '--rootless', '--image', `${join(work, 'layout')}:docker.io/library/${IMAGE}`, join(work, 'bundle'));
      expect(readFileSync(join(work, 'bundle/rootfs/data/changed'), 'utf8')).toBe('second\n');
    });

    it('loads from standard input', () => {
      const { stdout } = spawnSync(process.execPath, [...argv(home.store), 'load', '-q'], { input: readFileSync(join(work, 'one.tar')), encoding: 'utf8' });
      expect(stdout).toBe(`${IMAGE}\n`);
    });

    it('imports what it has exported', () => {
      ok('run', '--name', 'source', IMAGE, 'sh', '-c', 'echo made >/data/made; rm /data/kept');
      ok('export', '-o', 'root.tar', 'source');
      expect(command('tar', '-tf', join(work, 'root.tar'))).toContain('data/made');
      expect(ok('import', '-m', 'flat', '-c', 'ENTRYPOINT ["cat"]', '-c', 'ENV A=b=c "D=e f"', '-c', 'WORKDIR /data', 'root.tar', 'flat')).toMatch(/^sha256:[0-9a-f]{64}\n$/);
      expect(ok('run', '--rm', 'flat', 'made')).toBe('made\n');
      expect(ok('run', '--rm', '--entrypoint', 'env', 'flat')).toMatch(/^A=b=c$[\s\S]*^D=e f$/m);
      expect(box('run', '--rm', 'flat', 'kept').code).toBe(1);
      expect(ok('history', 'flat')).toContain('flat');
      expect(refused('import', 'https://example.com/x.tar')).toContain('curl -fL');
    });
  });

  describe('commit', () => {
    it('keeps what was added, changed and deleted, and leaves out what the container was given', () => {
      ok('run', '--name', 'changed', '--tmpfs', '/scratch', IMAGE, 'sh', '-c', 'echo n >/data/new; ln /data/new /data/new2; rm /data/kept; rm -r /data/replaced; mkdir /data/replaced; echo z >/data/replaced/z; echo x >/scratch/x; mkfifo /data/fifo');
      ok('commit', '-a', 'Me', '-m', 'why', 'changed', 'mine:1');
      const listed = ok('run', '--rm', 'mine:1', 'sh', '-c', 'cat /data/new; find /data | sort; cat /etc/hosts | grep -c localhost; stat -c %h /data/new; ls /scratch');
      expect(listed).toBe('n\n/data\n/data/changed\n/data/fifo\n/data/hard-link\n/data/new\n/data/new2\n/data/replaced\n/data/replaced/z\n/data/soft-link\n2\n2\n');
      const layer = lastLayer(home, 'mine:1');
      expect(layer).not.toContain('etc/');
      expect(layer).toEqual(expect.arrayContaining(['data/.wh.kept', 'data/replaced/.wh..wh..opq', 'data/replaced/z']));
      const [inspected] = JSON.parse(ok('inspect', 'mine:1')) as readonly { readonly Author: string; readonly Comment: string }[];
      expect(inspected).toMatchObject({ Author: 'Me', Comment: 'why' });
      expect(ok('fsck')).toBe('The store is whole.\n');
    });

    it('podman#3708: what run was told is the image\'s configuration; a new entry point clears the command', () => {
      ok('run', '--name', 'told', '-e', 'A=b=c', IMAGE, 'echo', 'two words', 'x');
      ok('commit', 'told', 'told:1');
      expect(ok('run', '--rm', 'told:1')).toBe('two words x\n');
      expect(configOf(ok('inspect', 'told:1'))).toMatchObject({ Cmd: ['echo', 'two words', 'x'], Entrypoint: null, Env: ['PATH=/bin:/sbin:/usr/bin', 'LAYER=five', 'A=b=c'] });
      ok('commit', '-c', 'ENTRYPOINT ["cat"]', 'told', 'told:2');
      expect(configOf(ok('inspect', 'told:2'))).toMatchObject({ Entrypoint: ['cat'], Cmd: null });
      ok('commit', '-c', 'CMD echo $A', 'told', 'told:3');
      expect(ok('run', '--rm', 'told:3')).toBe('b=c\n');
      expect(refused('commit', '-c', 'RUN true', 'told', 'told:4')).toContain('allowed: CMD, ENTRYPOINT');
    });

    it('podman#3582: refuses names that would delete files', () => {
      ok('run', '--name', 'reserved', IMAGE, 'mkdir', '/data/.wh.bin');
      expect(refused('commit', 'reserved', 'reserved:1')).toContain('"/data/.wh.bin"');
    });

    it('is read by skopeo', () => {
      ok('save', '-o', 'mine.tar', 'mine:1');
      const { history } = JSON.parse(command('skopeo', 'inspect', '--config', `docker-archive:${join(work, 'mine.tar')}`)) as { readonly history: readonly { readonly comment?: string }[] };
      expect(history.at(-1)?.comment).toBe('why');
    });
  });

  describe('cp', () => {
    beforeAll(() => {
      ok('run', '--name', 'box', IMAGE, 'sh', '-c', 'mkdir -p /d/e; echo f >/d/e/f; ln -s / /d/root; ln -s ../../../../../../etc/hostname /d/up; ln -s /d/e /to-e');
      mkdirSync(join(work, 'cp/src/in'), { recursive: true });
      writeFileSync(join(work, 'cp/file'), 'from here\n');
      writeFileSync(join(work, 'cp/src/in/f'), 'deep\n');
      symlinkSync('/etc/passwd', join(work, 'cp/src/link'));
    });
    const read = (name: string): string => readFileSync(join(work, 'cp', name), 'utf8');

    it('follows docker\'s rules on slashes and on what is there', () => {
      ok('cp', 'box:/d', 'cp/new');
      expect(read('new/e/f')).toBe('f\n');
      ok('cp', 'box:/d', 'cp/new');
      expect(read('new/d/e/f')).toBe('f\n');
      ok('cp', 'box:/d/.', 'cp');
      expect(read('e/f')).toBe('f\n');
      ok('cp', 'box:/d/e/f', 'cp/renamed');
      expect(read('renamed')).toBe('f\n');
      expect(refused('cp', 'box:/d/e/f', 'cp/none/')).toContain('there is no such directory');
      expect(refused('cp', 'box:/d', 'cp/file')).toContain('can not take the place of a file');
      expect(refused('cp', 'box:/d/e/f/', 'cp')).toContain('no directory');
      expect(refused('cp', 'box:/none', 'cp')).toContain('no such file');
      expect(refused('cp', 'cp/file', 'cp/other')).toContain('found no container');
    });

    it('takes links as links, and with -L what they lead to inside the container', () => {
      ok('cp', 'box:/d/up', 'cp/up');
      expect(readlinkSync(join(work, 'cp/up'))).toBe('../../../../../../etc/hostname');
      ok('cp', '-L', 'box:/d/root/data/changed', 'cp/through');
      expect(read('through')).toBe('second\n');
      ok('cp', '-L', 'box:/d/up', 'cp/hostname');
      expect(read('hostname')).not.toBe(existsSync('/etc/hostname') ? readFileSync('/etc/hostname', 'utf8') : '');
    });

    it('writes into a container that has ended: over files, whiteouts and through links, never out of it', () => {
      ok('cp', 'cp/file', 'box:/data/changed');
      ok('cp', 'cp/src/.', 'box:/home/alice');
      ok('cp', 'cp/file', 'box:/to-e/g');
      ok('cp', 'cp/file', 'box:/d/root/d/root/d/root/placed');
      expect(existsSync('/placed')).toBe(false);
      const changes = ok('diff', 'box').split('\n');
      expect(changes).toEqual(expect.arrayContaining(['C /data/changed', 'A /home/alice/in/f', 'A /home/alice/link', 'A /d/e/g', 'A /placed']));
      expect(changes).not.toContain('C /home/alice/link');
      ok('commit', 'box', 'copied:1');
      expect(ok('run', '--rm', 'copied:1', 'sh', '-c', 'cat /data/changed /home/alice/in/f; stat -c "%a %u" /home /home/alice; readlink /home/alice/link')).toBe('from here\ndeep\n755 0\n755 0\n/etc/passwd\n');
    });

    it('puts a directory in the place of a deleted one, without what that held', () => {
      ok('run', '--name', 'gone', IMAGE, 'rm', '-r', '/data/replaced');
      ok('cp', 'cp/src', 'gone:/data/replaced');
      ok('commit', 'gone', 'gone:1');
      expect(ok('run', '--rm', 'gone:1', 'ls', '/data/replaced')).toBe('in\nlink\n');
    });

    it('reads and writes archives on standard streams', () => {
      const { stdout } = spawnSync('sh', ['-c', '"$0" "$@" | tar -tf -', process.execPath, ...argv(home.store), 'cp', 'box:/d/e', '-'], { encoding: 'utf8' });
      expect(stdout.split('\n')).toEqual(expect.arrayContaining(['e/', 'e/f']));
      const tar = spawnSync('tar', ['-C', join(work, 'cp'), '-cf', '-', 'src']).stdout;
      expect(spawnSync(process.execPath, [...argv(home.store), 'cp', '-', 'box:/home'], { input: tar }).status).toBe(0);
      expect(ok('diff', 'box')).toContain('A /home/src/in/f\n');
    });

    it('does not write through a link of the destination', () => {
      ok('run', '--name', 'evil', IMAGE, 'sh', '-c', 'mkdir -p /x/sub; echo pwned >/x/sub/file');
      mkdirSync(join(work, 'cp/victim/real'), { recursive: true });
      mkdirSync(join(work, 'cp/victim/x'), { recursive: true });
      symlinkSync('../real', join(work, 'cp/victim/x/sub'));
      expect(refused('cp', 'evil:/x', 'cp/victim')).toContain('does not take its place');
      expect(lstatSync(join(work, 'cp/victim/x/sub')).isSymbolicLink()).toBe(true);
      expect(existsSync(join(work, 'cp/victim/real/file'))).toBe(false);
    });
  });

  describe('layers', () => {
    it('tells roles, sizes and counts of a container\'s layers', () => {
      const report = JSON.parse(ok('layers', '--json', 'changed')) as readonly { readonly role: string; readonly added: number; readonly deleted: number; readonly wasted: number }[];
      expect(report.map(({ role }) => role)).toEqual(['rw', 'init', 'ro+wh', 'ro+wh', 'ro+wh', 'ro+wh', 'ro+wh']);
      expect(report[0]).toMatchObject({ added: 5, deleted: 2 });
      expect(report[3]?.wasted).toBe(Buffer.byteLength('of layer 4\n'));
      expect(ok('layers', IMAGE)).toMatch(/^LAYER +ROLE/);
    });

    it('--why names the layer a path comes from, and what hides the others', () => {
      expect(ok('layers', '--why', '/data/kept', 'changed')).toBe('/data/kept: is not seen\n  layer 0 (rw): whiteout, hides what is below\n  layer 5 (ro+wh): file, hidden by layer 0: whiteout /data/kept\n');
      expect(ok('layers', '--why', '/data/replaced/old', IMAGE)).toContain('hidden by layer 1: opaque directory /data/replaced\n');
      expect(ok('layers', '--why', '/data/changed', IMAGE)).toMatch(/layer 0 \(ro\+wh\): file, seen\n {2}layer 3 \(ro\+wh\): file, hidden by layer 0: file \/data\/changed\n/);
      expect(box('layers', '--why', '/none', IMAGE)).toMatchObject({ code: 125, stdout: '/none: no layer has it\n' });
    });
  });

  describe('care', () => {
    it('gc keeps what images and containers need; prune takes images without a name', () => {
      ok('commit', 'changed');
      expect(ok('images', '-q', '--filter', 'dangling=true').trim()).toMatch(/^[0-9a-f]{12}$/);
      ok('gc');
      expect(ok('prune', '--dry-run')).toMatch(/^Would delete image: sha256:/);
      expect(ok('prune', '-f')).toMatch(/^Deleted image: sha256:[\s\S]*Total reclaimed space: /);
      expect(ok('images', '-q', '--filter', 'dangling=true')).toBe('');
      expect(ok('run', '--rm', 'mine:1', 'cat', '/data/new')).toBe('n\n');
      expect(ok('diff', 'changed')).toContain('D /data/kept\n');
      expect(ok('fsck')).toBe('The store is whole.\n');
    });

    it('fsck finds a damaged blob, names the images, and removes it with --repair', () => {
      const [inspected] = JSON.parse(ok('inspect', 'flat')) as readonly { readonly Manifest: string }[];
      const path = join(home.store, 'images/blobs', (inspected?.Manifest ?? '').replace(':', '/'));
      writeFileSync(path, `${readFileSync(path, 'utf8')} `);
      const { code, stdout } = box('fsck');
      expect(code).toBe(1);
      expect(stdout).toContain('needed by docker.io/library/flat:latest');
      expect(box('fsck', '--repair').code).toBe(0);
      expect(existsSync(path)).toBe(false);
    });
  });
});

const argv = (store: string): readonly string[] => [process.env.TSC_BOX_COMMAND ?? join(import.meta.dirname, '../../packages/cli/dist/tsc-box.cjs'), '--root', store];

function configOf(text: string): unknown {
  return (JSON.parse(text) as readonly { readonly Config: unknown }[])[0]?.Config;
}

/** A root of one static program. */
function tarOfRoot(directory: string): string {
  mkdirSync(join(directory, 'tiny'), { recursive: true });
  writeFileSync(join(directory, 'tiny/hello'), readFileSync('/bin/busybox'), { mode: 0o755 });
  symlinkSync('hello', join(directory, 'tiny/true'));
  command('tar', '-C', join(directory, 'tiny'), '-czf', join(directory, 'tiny.tar.gz'), '.');
  return join(directory, 'tiny.tar.gz');
}

/** Names in the top layer of an image of the store. */
function lastLayer(home: ReturnType<typeof makeHome>, name: string): readonly string[] {
  const file = join(home.directory, 'top.tar');
  home.run(['save', '-o', file, name]);
  const [image] = JSON.parse(command('tar', '-xOf', file, 'manifest.json')) as readonly { readonly Layers: readonly string[] }[];
  const names = spawnSync('sh', ['-c', 'tar -xOf "$0" "$1" | tar -tzf -', file, image?.Layers.at(-1) ?? ''], { encoding: 'utf8' }).stdout;
  return names.split('\n');
}
