/** Where an image comes from, as the user writes it: containers-transports(5). */
import { resolve } from 'node:path';
import { UsageError } from '@tsc-box/model';

export type ImageSource =
  /** The machine's own root. */
  | { readonly kind: 'host' }
  /** An OCI image layout. `directory` is absolute. */
  | { readonly kind: 'oci'; readonly directory: string; readonly tag?: string }
  /** What `docker save` writes. `file` is absolute; the reference is `NAME[:TAG]`, or `@INDEX` counted from 0. */
  | { readonly kind: 'docker-archive'; readonly file: string; readonly reference?: string };

const FORMS = 'host, oci:DIR[:TAG], docker-archive:FILE[:NAME[:TAG]]';

/** The path ends at the first colon, as skopeo has it. Relative paths start at `cwd`. @throws UsageError */
export function parseSource(text: string, cwd: string = process.cwd()): ImageSource {
  if (text === 'host') return { kind: 'host' };
  const match = /^(oci|docker-archive):([^:]+)(?::(.*))?$/s.exec(text);
  const [, transport, path = '', rest] = match ?? [];
  if (match === null || rest === '' || path.includes('\0')) {
    throw new UsageError({ attempted: 'find the image', detail: `found ${JSON.stringify(text)}, allowed: ${FORMS}`, hint: hintFor(text) });
  }
  const place = resolve(cwd, path);
  if (transport === 'oci') return { kind: 'oci', directory: place, ...(rest === undefined ? {} : { tag: rest }) };
  return { kind: 'docker-archive', file: place, ...(rest === undefined ? {} : { reference: rest }) };
}

/** Most who get here have typed a name of a registry. */
function hintFor(text: string): string | undefined {
  const name = text.replace(/^docker:(\/\/)?/, '');
  if (!/^[a-z0-9]+([._/:@-]+[A-Za-z0-9]+)*$/.test(name)) return undefined;
  return `images of a registry can't be run yet; copy it first: skopeo copy docker://${name} oci:DIR:TAG`;
}
