import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProgram, type Label, type Program, type Ref } from './program.ts';
import { buildReaper } from './reaper.ts';
import { buildStaticElf } from './static-elf.ts';

const NUMBERS = { x64: { write: 1, exit_group: 231, chdir: 80, getpid: 39 }, arm64: { write: 64, exit_group: 94, chdir: 49, getpid: 172 } } as const;
const [COMPARE, BRANCH, REPORT, COPY, ADD, MULTIPLY] = [-1, -2, -3, -5, -6, -7];
type Architecture = keyof typeof NUMBERS;

/** The command that runs a file of an architecture on this machine. On arm64 hardware the code has not been run yet: x64 emulates it. */
function runner(architecture: Architecture): readonly string[] | undefined {
  if (process.platform !== 'linux') return undefined;
  if (process.arch === architecture) return [];
  const emulator = architecture === 'arm64' ? 'qemu-aarch64-static' : 'qemu-x86_64-static';
  return spawnSync(emulator, ['--version']).status === 0 ? [emulator] : undefined;
}

let directory = '';
let count = 0;
beforeAll(() => void (directory = mkdtempSync(join(tmpdir(), 'tsc-box-elf-'))));
afterAll(() => rmSync(directory, { recursive: true }));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
}

describe.each(['x64', 'arm64'] as const)('a static ELF file for %s', (architecture) => {
  const prefix = runner(architecture);
  const nr = NUMBERS[architecture];

  function run(build: (program: Program) => void): Ended {
    const program = createProgram();
    build(program);
    const path = join(directory, `${architecture}-${String(count++)}`);
    writeFileSync(path, buildStaticElf(program, architecture).bytes, { mode: 0o755 });
    const args = [...(prefix ?? []), path];
    const command = args.shift() ?? '';
    const { status, stdout, error } = spawnSync(command, args, { encoding: 'utf8' });
    if (error !== undefined) throw error;
    return { status, stdout };
  }
  const exit = (program: Program, code: number | { readonly load: Ref }): void => program.record({ nr: nr.exit_group, args: [code] });
  const exitAt = (program: Program, label: Label, code: number): void => {
    program.place(label);
    exit(program, code);
  };

  describe.skipIf(prefix === undefined)('(needs this machine or an emulator of user mode)', () => {
    it('walks its records', () => {
      expect(run((program) => {
        program.record({ nr: nr.write, args: [1, program.cstring('hello\n'), 6] });
        exit(program, 42);
      })).toEqual({ status: 42, stdout: 'hello\n' });
    });

    it('stores, loads, copies and adds', () => {
      expect(run((program) => {
        const a = program.slot('a');
        const b = program.slot('b');
        program.record({ nr: nr.write, args: [1, program.cstring('four'), 4], store: a });
        program.record({ nr: COPY, args: [{ load: a }], store: b });
        program.record({ nr: ADD, args: [{ load: a }, { load: b }], store: b });
        program.record({ nr: nr.write, args: [1, program.cstring('|12345678'), { load: b }] });
        exit(program, { load: b });
      })).toEqual({ status: 8, stdout: 'four|1234567' });
    });

    it('branches, jumps and compares', () => {
      expect(run((program) => {
        const [one, two, three, four] = [program.label(), program.label(), program.label(), program.label()];
        program.record({ nr: BRANCH, args: [0], fail: four });
        program.record({ nr: BRANCH, args: [-1], fail: one });
        exitAt(program, four, 1);
        program.place(two);
        program.record({ nr: COMPARE, args: [0x1ff, 0xff, 0xff, 5], fail: four });
        program.record({ nr: COMPARE, args: [0x1ff, 0xff, 0xfff, 5], fail: three, errno: 5 });
        exit(program, 2);
        exitAt(program, three, 9);
        program.place(one);
        program.record({ nr: nr.getpid, args: [], next: two });
      })).toMatchObject({ status: 9 });
    });

    it('takes only the failure that a record waits for', () => {
      const failing = (errno: number): number | null => run((program) => {
        const failed = program.label();
        program.record({ nr: nr.chdir, args: [program.cstring('/does/not/exist')], fail: failed, errno });
        exit(program, 1);
        exitAt(program, failed, 3);
      }).status;
      expect([failing(0), failing(2), failing(13)]).toEqual([3, 3, 127]);
    });

    it('multiplies', () => {
      expect(run((program) => {
        const product = program.slot('product');
        program.record({ nr: MULTIPLY, args: [6, 7], store: product });
        exit(program, { load: product });
      })).toMatchObject({ status: 42 });
    });

    it('goes on with the record that handles reports, once', () => {
      expect(run((program) => {
        const handler = program.label();
        program.handleReport(handler);
        program.record({ nr: nr.chdir, args: [program.cstring('/does/not/exist')] });
        program.place(handler);
        exit(program, { load: program.report });
      })).toMatchObject({ status: 2 });
    });

    it('ends with 127 and its report when a record fails', () => {
      expect(run((program) => program.record({ nr: REPORT, args: [5] })).status).toBe(127);
      expect(run((program) => program.record({ nr: nr.chdir, args: [program.cstring('/does/not/exist')] })).status).toBe(127);
    });
  });

  it('is small, maps no page writable and executable, and is the same each time', () => {
    const { bytes, pidOffset } = buildReaper(architecture);
    expect(bytes.length).toBeLessThan(3000);
    const view = Buffer.from(bytes);
    const flags = [0, 1, 2].map((index) => view.readUInt32LE(64 + index * 56 + 4));
    expect(flags).toEqual([5, 6, 6]);
    expect(view.readUInt32LE(pidOffset)).toBe(0);
    expect(buildReaper(architecture).bytes).toEqual(bytes);
  });
});
