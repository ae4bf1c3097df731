/** Archives to a file or standard output, and from a file or standard input. */
import { createReadStream, lstatSync, writeSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { BoxError, UsageError } from '@tsc-box/model';
import { isTerminal } from '../report/write.ts';

const STDOUT = 1;
const READ_BYTES = 256 << 10;
/** Milliseconds between attempts on a descriptor that another program made non-blocking. */
const RETRY_MS = 5;

/** @throws UsageError where the archive would go to a terminal. */
export function checkOutput(file: string | undefined, attempted: string): void {
  if (file === undefined && isTerminal(STDOUT)) throw new UsageError({ attempted, detail: 'standard output is a terminal', hint: 'use -o FILE, or redirect the output' });
}

/** To `file`, which appears whole or not at all; to standard output without one. */
export async function writeArchive(source: AsyncIterable<Uint8Array>, file: string | undefined, cwd: string): Promise<void> {
  if (file === undefined) {
    for await (const chunk of source) await writeOut(chunk);
    return;
  }
  const path = resolve(cwd, file);
  const found = lstatSync(path, { throwIfNoEntry: false });
  try {
    // Devices, pipes and links are written to as they are.
    if (found !== undefined && !found.isFile()) await writeTo(source, path, 'w');
    else await writeBeside(source, path);
  } catch (error) {
    if (error instanceof BoxError || !(error instanceof Error) || !('code' in error)) throw error;
    throw new BoxError({ code: 'ERR_TSCBOX_USAGE', attempted: `write "${path}"`, errno: String(error.code), path, cause: error });
  }
}

async function writeBeside(source: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const temporary = `${dirname(path)}/.tsc-box-${String(process.pid)}-${String(Date.now())}.tmp`;
  try {
    await writeTo(source, temporary, 'wx');
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeTo(source: AsyncIterable<Uint8Array>, path: string, flags: string): Promise<void> {
  const file = await open(path, flags, 0o644);
  try {
    for await (const chunk of source) for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done)).bytesWritten;
  } finally {
    await file.close();
  }
}

async function writeOut(chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    try {
      done += writeSync(STDOUT, chunk, done);
    } catch (error) {
      const errno = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (errno !== 'EAGAIN') throw new BoxError({ code: 'ERR_TSCBOX_USAGE', attempted: 'write to standard output', errno, cause: error });
      await new Promise((resume) => void setTimeout(resume, RETRY_MS));
    }
  }
}

/** `-` or nothing: standard input. @throws UsageError where that is a terminal. */
export function readArchive(file: string | undefined, cwd: string, attempted: string): AsyncIterable<Uint8Array> {
  if (file !== undefined && file !== '-') return streamOf(resolve(cwd, file));
  if (isTerminal(0)) throw new UsageError({ attempted, detail: 'standard input is a terminal', hint: 'name a file, or redirect the input' });
  return createReadStream('', { fd: 0, autoClose: false, highWaterMark: READ_BYTES });
}

async function* streamOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(path, { highWaterMark: READ_BYTES });
  } catch (error) {
    if (error instanceof BoxError || !(error instanceof Error) || !('code' in error)) throw error;
    throw new BoxError({ code: 'ERR_TSCBOX_USAGE', attempted: `read "${path}"`, errno: String(error.code), path, cause: error });
  }
}
