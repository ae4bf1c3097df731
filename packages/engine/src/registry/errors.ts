/** What a registry refused, with its own words: OCI distribution-spec 1.1, "Error Codes". */
import { BoxError } from '@tsc-box/model';

export interface RegistryErrorFields {
  readonly attempted: string;
  readonly registry: string;
  readonly repository?: string | undefined;
  /** HTTP status. */
  readonly status?: number | undefined;
  readonly detail: string;
  /** Codes of the registry, such as `MANIFEST_UNKNOWN`. */
  readonly codes?: readonly string[];
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

export class RegistryError extends BoxError {
  readonly registry: string;
  readonly repository: string | undefined;
  readonly status: number | undefined;
  readonly codes: readonly string[];

  constructor({ registry, repository, status, codes = [], ...fields }: RegistryErrorFields) {
    super({ code: 'ERR_TSCBOX_REGISTRY', ...fields });
    this.registry = registry;
    this.repository = repository;
    this.status = status;
    this.codes = codes;
  }
}

const BODY_SHOWN_MAX = 200;
const BODY_BYTES_MAX = 64 << 10;

/** `attempted` is verb and object: `pull docker.io/library/debian:latest`. Reads the body. */
export async function refusal(response: Response, attempted: string, registry: string, repository: string | undefined): Promise<RegistryError> {
  const { status } = response;
  const { codes, text } = explain(await readSome(response));
  const said = text === '' ? `status ${String(status)}${response.statusText === '' ? '' : ` ${response.statusText}`}` : `status ${String(status)}: ${text}`;
  return new RegistryError({ attempted, registry, repository, status, codes, detail: `${registry} answered ${said}`, hint: hintFor(status, registry) });
}

function hintFor(status: number, registry: string): string | undefined {
  if (status === 401) return `log in first, such as with: docker login ${registry === 'docker.io' ? '' : registry}`.trimEnd();
  if (status === 429) return 'too many requests were made: wait, or log in for a higher limit';
  return undefined;
}

function explain(body: string): { readonly codes: readonly string[]; readonly text: string } {
  try {
    const { errors, details } = JSON.parse(body) as { readonly errors?: unknown; readonly details?: unknown };
    if (!Array.isArray(errors)) return { codes: [], text: typeof details === 'string' ? shorten(details) : shorten(body) };
    const entries = errors.filter((entry): entry is Readonly<Record<string, unknown>> => typeof entry === 'object' && entry !== null);
    const word = (value: unknown): string => (typeof value === 'string' ? value : '');
    const codes = entries.map(({ code }) => word(code)).filter((code) => code !== '');
    return { codes, text: entries.map(({ code, message }) => [word(code), word(message)].filter((part) => part !== '').join(' ')).map(shorten).join('; ') };
  } catch {
    return { codes: [], text: /^\s*</.test(body) ? '' : shorten(body) };
  }
}

/** Control characters could write on the terminal. */
function shorten(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const clean = text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  return clean.length > BODY_SHOWN_MAX ? `${clean.slice(0, BODY_SHOWN_MAX - 1)}…` : clean;
}

async function readSome(response: Response): Promise<string> {
  let text = '';
  try {
    const decoder = new TextDecoder();
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > BODY_BYTES_MAX) break;
    }
  } catch {
    // What has come so far is all there is to say.
  }
  return text;
}

/** A connection that failed: `fetch` hides the cause in `cause`. */
export function connectionFailure(error: unknown, attempted: string, registry: string, repository: string | undefined, url: string): RegistryError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const errno = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? '') : '';
  const text = cause instanceof AggregateError && cause.message === '' ? String((cause.errors as readonly unknown[])[0]) : cause instanceof Error ? cause.message : String(cause);
  const isTls = /CERT|SSL|TLS|SIGNED/.test(errno);
  const hint = isTls
    ? 'for a registry with its own certificate authority set NODE_EXTRA_CA_CERTS=FILE; for one without TLS ask for plain HTTP'
    : errno === 'ENOTFOUND' || errno === 'EAI_AGAIN' ? 'the name of the registry is not known: check its spelling and the network' : undefined;
  return new RegistryError({ attempted, registry, repository, detail: `can't reach ${new URL(url).origin}: ${errno !== '' && !text.includes(errno) ? `${errno} ` : ''}${text}`, hint, cause: error });
}
