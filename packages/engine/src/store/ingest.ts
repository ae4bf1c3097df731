/**
 * Blobs on their way into the store: `ingest/ALGORITHM-HEX,OWNER,N`, hashed while they are written. A part that a dead process
 * left is taken over by renaming it, at which one of many succeeds, and goes on where it ended.
 */
import { createHash, type Hash } from 'node:crypto';
import { open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { BoxError, parseDigest } from '@tsc-box/model';
import { errnoOf, stateError, syncDirectory } from './durable.ts';
import { formatOwner, isRunning, ownIdentity, parseOwner } from './owner.ts';
import { blobPath, type StorePaths } from './paths.ts';
import type { ExpectedBlob, Ingest, WrittenBlob } from './types.ts';

const CHUNK_BYTES = 1 << 20;
const NOBODY = '0,0,0,';
let serial = 0;

const nextName = (kind: string, owner: string): string => `${kind},${owner},${String((serial += 1))}-${Date.now().toString(36)}`;

/** Who writes the file. Undefined for names that are no ingest. */
export function ownerOfIngest(name: string): ReturnType<typeof parseOwner> {
  const match = /^[^,]+,(.*),[^,]*$/.exec(name);
  return match === null ? undefined : parseOwner(match[1] ?? '');
}

/** `protect` is called with the digest before the blob appears. */
export async function openIngest(paths: StorePaths, expected: ExpectedBlob, protect: (digest: string) => Promise<void>): Promise<Ingest> {
  const kind = expected.digest === undefined ? 'new' : expected.digest.replace(':', '-');
  const path = `${paths.ingest}/${nextName(kind, formatOwner(ownIdentity()))}`;
  const adopted = expected.digest !== undefined && (await adopt(paths, kind, path));
  const writer = new IngestWriter(paths, path, kind, expected, protect);
  await writer.open(adopted);
  return writer;
}

async function adopt({ ingest }: StorePaths, kind: string, path: string): Promise<boolean> {
  for (const name of await readdir(ingest)) {
    const owner = name.startsWith(`${kind},`) ? ownerOfIngest(name) : undefined;
    if (owner === undefined || isRunning(owner) !== false) continue;
    try {
      await rename(`${ingest}/${name}`, path);
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw stateError(`take over "${ingest}/${name}"`, `${ingest}/${name}`, error);
    }
  }
  return false;
}

class IngestWriter implements Ingest {
  readonly #paths: StorePaths;
  readonly #path: string;
  readonly #kind: string;
  readonly #expected: ExpectedBlob;
  readonly #protect: (digest: string) => Promise<void>;
  readonly #algorithm: string;
  #file: FileHandle | undefined;
  #hash: Hash;
  offset = 0;

  constructor(paths: StorePaths, path: string, kind: string, expected: ExpectedBlob, protect: (digest: string) => Promise<void>) {
    this.#paths = paths;
    this.#path = path;
    this.#kind = kind;
    this.#expected = expected;
    this.#protect = protect;
    this.#algorithm = expected.digest === undefined ? 'sha256' : parseDigest(expected.digest).algorithm;
    this.#hash = createHash(this.#algorithm);
  }

  async open(adopted: boolean): Promise<void> {
    try {
      this.#file = await open(this.#path, adopted ? 'r+' : 'wx+', 0o644);
      if (adopted) await this.#rehash(this.#file);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** The hash of what a dead process wrote. Verified as a whole at the end: what is wrong in it is found then. */
  async #rehash(file: FileHandle): Promise<void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, this.offset);
      if (bytesRead === 0) break;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.offset += bytesRead;
    }
    if (this.offset > (this.#expected.size ?? Infinity)) await this.restart();
  }

  /** One batch is written while the next is read and hashed; never two, so that what a crash leaves has no holes. */
  async append(source: AsyncIterable<Uint8Array>): Promise<void> {
    let batch: Uint8Array[] = [];
    let [size, position] = [0, this.offset];
    let writing: Promise<void> | undefined;
    const flush = async (): Promise<void> => {
      await writing;
      writing = this.#write(batch, position);
      // It is awaited later, when the next batch is full.
      writing.catch(() => undefined);
      [batch, position, size] = [[], position + size, 0];
    };
    try {
      for await (const chunk of source) {
        if (this.offset + chunk.length > (this.#expected.size ?? Infinity)) throw this.#mismatch(`more than ${String(this.#expected.size)} bytes came`);
        this.#hash.update(chunk);
        this.offset += chunk.length;
        size += chunk.length;
        batch.push(chunk);
        if (size >= CHUNK_BYTES) await flush();
      }
    } finally {
      if (size > 0) await flush();
      await writing;
    }
  }

  async #write(batch: readonly Uint8Array[], position: number): Promise<void> {
    try {
      const size = batch.reduce((sum, { length }) => sum + length, 0);
      let { bytesWritten: done = 0 } = (await this.#file?.writev([...batch], position)) ?? {};
      if (done === size) return;
      for (const whole = Buffer.concat(batch); done < size; ) {
        const { bytesWritten = 0 } = (await this.#file?.write(whole, done, size - done, position + done)) ?? {};
        if (bytesWritten === 0) throw new Error('nothing was written');
        done += bytesWritten;
      }
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async restart(): Promise<void> {
    try {
      await this.#file?.truncate(0);
    } catch (error) {
      throw this.#failed(error);
    }
    this.offset = 0;
    this.#hash = createHash(this.#algorithm);
  }

  async commit(): Promise<WrittenBlob> {
    const { digest: wanted, size } = this.#expected;
    const digest = `${this.#algorithm}:${this.#hash.digest('hex')}`;
    try {
      if (size !== undefined && this.offset !== size) throw this.#mismatch(`found ${String(this.offset)} bytes, expected ${String(size)}`);
      if (wanted !== undefined && digest !== wanted) throw this.#mismatch(`found ${digest}`);
      await this.#file?.sync();
      await this.#protect(digest);
      const target = blobPath(this.#paths, digest);
      await rename(this.#path, target);
      await syncDirectory(target.slice(0, target.lastIndexOf('/')));
    } catch (error) {
      await rm(this.#path, { force: true }).catch(() => undefined);
      throw this.#failed(error);
    } finally {
      await this.#close();
    }
    return { digest, size: this.offset };
  }

  async suspend(): Promise<void> {
    if (this.#file === undefined) return;
    await this.#close();
    if (this.#kind === 'new' || this.offset === 0) await rm(this.#path, { force: true });
    else await rename(this.#path, `${this.#paths.ingest}/${nextName(this.#kind, NOBODY)}`);
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  #mismatch(detail: string): BoxError {
    return new BoxError({ code: 'ERR_TSCBOX_DIGEST_MISMATCH', attempted: `verify ${this.#expected.digest ?? 'a blob'}`, detail, hint: 'the blob was damaged or changed on its way: try again' });
  }

  #failed(error: unknown): BoxError {
    return stateError(`write ${this.#expected.digest ?? 'a blob'}`, this.#path, error);
  }
}
