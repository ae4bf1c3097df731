/** What pull and push have in common. */
import { authenticator, type Authenticator } from './auth.ts';
import { dockerCredentials, type CredentialSource } from './docker-config.ts';
import { DEFAULT_RETRY, type RetryOptions } from './retry.ts';

export interface RegistryOptions {
  /** Registries (HOST or HOST:PORT) that may be spoken to without TLS. Those on this machine may always. */
  readonly plainHttp?: readonly string[];
  /** By registry: hosts or addresses that are asked first. Only for pulls. */
  readonly mirrors?: Readonly<Record<string, readonly string[]>>;
  /** Default: what `docker login` and `podman login` keep, found by `env`. */
  readonly credentials?: CredentialSource;
  /** For the credentials. Default: process.env. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly retry?: Partial<RetryOptions>;
  readonly signal?: AbortSignal;
}

export function connectionOf({ credentials, env, retry, signal }: RegistryOptions): { readonly authenticator: Authenticator; readonly retry: RetryOptions; readonly signal: AbortSignal | undefined } {
  return { authenticator: authenticator(credentials ?? dockerCredentials(env ?? process.env)), retry: { ...DEFAULT_RETRY, ...retry }, signal };
}
