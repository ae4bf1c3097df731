/**
 * The files of a tar stream, straight into the store: large ones as blobs, which is what they will be, small ones in memory.
 * So an archive can come from a pipe, in any order, and is written once.
 */
import { createHash } from 'node:crypto';
import { BoxError, TarReader, toByteString, type TarEntry } from '@tsc-box/model';
import { decompress } from '../images/decompress.ts';
import type { Ingest, Lease } from './types.ts';

export type Member =
  | { readonly kind: 'memory'; readonly bytes: Uint8Array; readonly digest: string }
  | { readonly kind: 'blob'; readonly digest: string; readonly size: number; readonly head: Uint8Array }
  | { readonly kind: 'link'; readonly target: string };

type Event = { readonly kind: 'entry'; readonly entry: TarEntry } | { readonly kind: 'data'; readonly bytes: Uint8Array } | { readonly kind: 'end' };

const SMALL_BYTES_MAX = 1 << 20;
const MEMORY_BYTES_MAX = 32 << 20;
const ENTRIES_MAX = 20_000;
const HEAD_BYTES = 8;

/** A name in the archive without "." and "..". What leads out of it can't be found in it. */
export function memberName(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** Names are byte strings. The last entry of a name counts. The stream may be compressed. @throws BoxError for archives that are not valid. */
export async function readMembers(source: AsyncIterable<Uint8Array>, lease: Lease): Promise<Map<string, Member>> {
  const members = new Map<string, Member>();
  let events: Event[] = [];
  const reader = new TarReader({ entry: (entry) => void events.push({ kind: 'entry', entry }), data: (bytes) => void events.push({ kind: 'data', bytes }), end: () => void events.push({ kind: 'end' }) }, { entries: ENTRIES_MAX });
  const collector = new Collector(members, lease);
  try {
    for await (const chunk of decompress(source)) {
      reader.push(chunk);
      const ready = events;
      events = [];
      for (const event of ready) await collector.take(event);
    }
    reader.end();
  } finally {
    await collector.close();
  }
  return members;
}

class Collector {
  readonly #members: Map<string, Member>;
  readonly #lease: Lease;
  #memory = 0;
  #name = '';
  #parts: Uint8Array[] | undefined;
  #ingest: Ingest | undefined;
  #head: Uint8Array = new Uint8Array(0);

  constructor(members: Map<string, Member>, lease: Lease) {
    this.#members = members;
    this.#lease = lease;
  }

  async take(event: Event): Promise<void> {
    if (event.kind === 'entry') await this.#start(event.entry);
    else if (event.kind === 'end') await this.#end();
    else if (this.#parts !== undefined) this.#parts.push(event.bytes.slice());
    else if (this.#ingest !== undefined) {
      if (this.#head.length < HEAD_BYTES) this.#head = Buffer.concat([this.#head, event.bytes.subarray(0, HEAD_BYTES - this.#head.length)]);
      await this.#ingest.append(one(event.bytes));
    }
  }

  async #start({ type, name, linkName, size, sparse }: TarEntry): Promise<void> {
    this.#name = memberName(toByteString(name));
    const directory = this.#name.slice(0, this.#name.lastIndexOf('/') + 1);
    if (type === 'hardlink') this.#members.set(this.#name, { kind: 'link', target: memberName(toByteString(linkName)) });
    // Old dockers wrote a layer that two images share once, with links to it.
    if (type === 'symlink') this.#members.set(this.#name, { kind: 'link', target: memberName(`${directory}${toByteString(linkName)}`) });
    if (type !== 'file') return;
    if (sparse !== undefined) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: 'read the image archive', detail: `"${this.#name}" is a sparse file, allowed: plain files` });
    if (size <= SMALL_BYTES_MAX && this.#memory + size <= MEMORY_BYTES_MAX) {
      this.#memory += size;
      this.#parts = [];
    } else {
      this.#head = new Uint8Array(0);
      this.#ingest = await this.#lease.ingestNew();
    }
  }

  async #end(): Promise<void> {
    if (this.#parts !== undefined) {
      const bytes = Buffer.concat(this.#parts);
      this.#members.set(this.#name, { kind: 'memory', bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` });
    } else if (this.#ingest !== undefined) {
      this.#members.set(this.#name, { kind: 'blob', ...(await this.#ingest.commit()), head: this.#head });
    }
    await this.close();
  }

  async close(): Promise<void> {
    this.#parts = undefined;
    await this.#ingest?.suspend();
    this.#ingest = undefined;
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
