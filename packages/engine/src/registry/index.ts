/** Registries: pull and push. */
export { pullImage, type PullOptions, type PullResult } from './pull.ts';
export { pushImage, type PushOptions, type PushResult } from './push.ts';
export { dockerCredentials, type Credentials, type CredentialSource } from './docker-config.ts';
export { RegistryError } from './errors.ts';
export type { RegistryOptions } from './options.ts';
export type { BlobProgress, BlobState } from './progress.ts';
export { login, logout, type LoginResult } from './login.ts';
