/**
 * Image references by the grammar of the distribution project (github.com/distribution/reference), with docker's
 * short forms: `debian` is `docker.io/library/debian:latest`.
 *
 *     reference = [ registry "/" ] repository [ ":" tag ] [ "@" digest ]
 */
import { BoxError } from '../errors/box-error.ts';
import { parseDigest } from './digest.ts';

export interface Reference {
  /** Host and port, such as `docker.io`, `localhost:5000` or `[::1]:5000`. */
  readonly registry: string;
  /** Path in the registry, such as `library/debian`. */
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:…`; it wins over the tag. */
  readonly digest?: string;
}

export const DEFAULT_REGISTRY = 'docker.io';
export const DEFAULT_TAG = 'latest';
const OFFICIAL = 'library/';
const REPOSITORY_LENGTH_MAX = 255;

const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const HOST = /^(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])(?::([0-9]+))?$/;

/**
 * Without a tag and a digest the tag is `latest`.
 * @throws BoxError ERR_TSCBOX_REFERENCE_INVALID with what was found and what is allowed.
 */
export function parseReference(text: string): Reference {
  if (text === '') throw invalid(text, 'found nothing, allowed: NAME[:TAG][@DIGEST]');
  if (/\s/.test(text)) throw invalid(text, 'found a blank, allowed: NAME[:TAG][@DIGEST] without blanks');
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) throw invalid(text, 'found an address, allowed: NAME[:TAG][@DIGEST] without a scheme', 'leave out what stands before the name, such as https://');
  if (/^[0-9a-f]{64}$/.test(text)) throw invalid(text, 'found 64 hexadecimal digits, which name an image by its id, allowed: a name', 'to name an image by its content write NAME@sha256:DIGITS');
  const { name, tag, digest } = splitParts(text);
  const { registry, path } = splitRegistry(name);
  checkRegistry(text, registry);
  const repository = registry === DEFAULT_REGISTRY && !path.includes('/') ? `${OFFICIAL}${path}` : path;
  checkRepository(text, repository, path);
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, `found the tag ${JSON.stringify(tag)}, allowed: 1 to 128 letters, digits, "_", "." and "-", not starting with "." or "-"`);
  if (digest !== undefined) checkDigest(text, digest);
  const defaultTag = tag ?? (digest === undefined ? DEFAULT_TAG : undefined);
  return { registry, repository, ...(defaultTag === undefined ? {} : { tag: defaultTag }), ...(digest === undefined ? {} : { digest }) };
}

/** The whole reference, as it is kept: `docker.io/library/debian:latest`. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The short form that docker shows: `debian:latest`. It parses to the same reference. */
export function familiarReference(reference: Reference): string {
  return `${familiarName(reference)}${reference.tag === undefined ? '' : `:${reference.tag}`}${reference.digest === undefined ? '' : `@${reference.digest}`}`;
}

/** The short form without tag and digest: `debian`, `localhost:5000/x`. */
export function familiarName({ registry, repository }: Reference): string {
  if (registry !== DEFAULT_REGISTRY) return `${registry}/${repository}`;
  const official = repository.startsWith(OFFICIAL) ? repository.slice(OFFICIAL.length) : undefined;
  return official === undefined || official.includes('/') ? repository : official;
}

function splitParts(text: string): { readonly name: string; readonly tag?: string; readonly digest?: string } {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const rest = at < 0 ? text : text.slice(0, at);
  // A colon before the last "/" belongs to the port.
  const colon = rest.indexOf(':', rest.lastIndexOf('/') + 1);
  const name = colon < 0 ? rest : rest.slice(0, colon);
  return { name, ...(colon < 0 ? {} : { tag: rest.slice(colon + 1) }), ...(digest === undefined ? {} : { digest }) };
}

/** What stands before the first "/" is a registry when it has a "." or ":", an upper-case letter, or is `localhost`. */
function splitRegistry(name: string): { readonly registry: string; readonly path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  if (slash < 0 || (!/[.:A-Z]/.test(first) && first !== 'localhost')) return { registry: DEFAULT_REGISTRY, path: name };
  return { registry: first === 'index.docker.io' ? DEFAULT_REGISTRY : first, path: name.slice(slash + 1) };
}

function checkRegistry(text: string, registry: string): void {
  const match = HOST.exec(registry);
  if (match === null) throw invalid(text, `found the registry ${JSON.stringify(registry)}, allowed: HOST[:PORT] with letters, digits, "." and "-", or an IPv6 address in brackets`);
  if (match[1] !== undefined && Number(match[1]) > 65_535) throw invalid(text, `found the port ${match[1]}, allowed: 0 to 65535`);
}

function checkRepository(text: string, repository: string, path: string): void {
  if (path === '') throw invalid(text, 'found no name, allowed: NAME[:TAG][@DIGEST]');
  if (/[A-Z]/.test(path)) throw invalid(text, `found the upper-case name ${JSON.stringify(path)}, allowed: lower-case letters`, `write ${text.replace(path, path.toLowerCase())}`);
  const wrong = path.split('/').find((component) => !PATH_COMPONENT.test(component));
  if (wrong !== undefined) throw invalid(text, `found the name part ${JSON.stringify(wrong)}, allowed: lower-case letters and digits, with ".", "_", "__" or "-" between them`);
  if (repository.length > REPOSITORY_LENGTH_MAX) throw invalid(text, `found a name of ${String(repository.length)} characters, allowed: ${String(REPOSITORY_LENGTH_MAX)}`);
  if (/^[0-9a-f]{64}$/.test(path)) throw invalid(text, 'found a name of 64 hexadecimal digits, which looks like an image id, allowed: another name');
}

function checkDigest(text: string, digest: string): void {
  try {
    parseDigest(digest);
  } catch (error) {
    throw invalid(text, error instanceof BoxError ? (error.detail ?? error.message) : String(error));
  }
}

function invalid(text: string, detail: string, hint?: string): BoxError {
  return new BoxError({ code: 'ERR_TSCBOX_REFERENCE_INVALID', attempted: `read the image reference ${JSON.stringify(text)}`, detail, hint });
}
