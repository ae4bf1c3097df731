/** Runs cases on kernel overlay mounts, in a mount namespace of its own: one Python process for all of them. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { CaseAnswer, UnionCase } from './cases.ts';

/** Why there is no kernel to compare with, or undefined. */
export function whyNoKernel(): string | undefined {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return 'needs root on Linux';
  if (spawnSync('python3', ['--version']).status !== 0) return 'needs python3';
  const script = 'd=$(mktemp -d) && mount -t tmpfs tmpfs $d && cd $d && mkdir l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w,index=off,metacopy=off,redirect_dir=nofollow,xino=off overlay m; mountpoint -q $d/m; s=$?; umount -l $d/m $d; rmdir $d; exit $s';
  return spawnSync('unshare', ['--mount', 'sh', '-c', script]).status === 0 ? undefined : 'needs overlay mounts';
}

export class KernelOverlay {
  readonly #directory = mkdtempSync(join(tmpdir(), 'tsc-box-union-'));
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting: ((line: string) => void)[] = [];

  constructor() {
    const script = join(import.meta.dirname, 'kernel-overlay.py');
    this.#child = spawn('unshare', ['--mount', '--propagation', 'private', 'python3', script, this.#directory], { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('no output of the child');
    this.#lines = createInterface({ input: stdout });
    this.#lines.on('line', (line) => this.#waiting.shift()?.(line));
    this.#lines.on('close', () => {
      for (const give of this.#waiting.splice(0)) give('{"failed":"the child ended"}');
    });
  }

  async run(unionCase: UnionCase): Promise<CaseAnswer> {
    const line = await new Promise<string>((resolve) => {
      this.#waiting.push(resolve);
      this.#child.stdin?.write(`${JSON.stringify(unionCase)}\n`);
    });
    const answer = JSON.parse(line) as CaseAnswer & { readonly failed?: string };
    if (answer.failed !== undefined) throw new Error(answer.failed);
    return answer;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin?.end();
    await ended;
    rmdirSync(this.#directory);
  }
}
