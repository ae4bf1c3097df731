/** Which of an image's variants fits this machine: OCI image-spec image-index.md, "platform". */
import type { JsonValue } from './shape.ts';

export interface Platform {
  readonly os: string;
  /** As Go names it: amd64, arm64. */
  readonly architecture: string;
  readonly variant?: string;
}

const GO_NAMES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', loong64: 'loong64' };

/** Of this process. */
export const ownPlatform = (): Platform => ({ os: 'linux', architecture: GO_NAMES[process.arch] ?? process.arch });

export const formatPlatform = ({ os, architecture, variant }: Platform): string => [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');

/** Undefined where the descriptor states none. */
export function platformOf(descriptor: JsonValue): Platform | undefined {
  const platform = descriptor.field('platform');
  if (platform.isMissing) return undefined;
  const variant = platform.field('variant').optionalText();
  return { os: platform.field('os').text(), architecture: platform.field('architecture').text(), ...(variant === undefined ? {} : { variant }) };
}

/** arm64 machines are `v8`, stated or not. */
export function fits(wanted: Platform, offered: Platform): boolean {
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return false;
  const variant = (platform: Platform): string | undefined => platform.variant ?? (platform.architecture === 'arm64' ? 'v8' : undefined);
  return wanted.variant === undefined ? offered.architecture !== 'arm64' || variant(offered) === 'v8' : variant(wanted) === variant(offered);
}
