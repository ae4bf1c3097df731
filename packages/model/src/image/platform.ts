/** Platforms `OS/ARCHITECTURE[/VARIANT]` and the choice among them: OCI image-spec image-index.md; names and variants as in Go and containerd. */
import { BoxError, UsageError } from '../errors/box-error.ts';
import type { Descriptor, Platform } from './manifest.ts';

const ARCHITECTURES: Readonly<Record<string, { readonly architecture: string; readonly variant?: string }>> = {
  x86_64: { architecture: 'amd64' }, 'x86-64': { architecture: 'amd64' }, x64: { architecture: 'amd64' },
  aarch64: { architecture: 'arm64' }, armhf: { architecture: 'arm', variant: 'v7' }, armel: { architecture: 'arm', variant: 'v6' },
  i386: { architecture: '386' }, ia32: { architecture: '386' }, x86: { architecture: '386' }, ppc64el: { architecture: 'ppc64le' },
};
/** What a platform without a variant means. */
const DEFAULT_VARIANTS: Readonly<Record<string, string>> = { arm: 'v7', arm64: 'v8', amd64: 'v1' };
const KNOWN_OS = new Set(['linux', 'windows', 'darwin', 'freebsd', 'netbsd', 'openbsd', 'solaris', 'illumos', 'aix', 'android', 'js', 'wasip1', 'plan9', 'dragonfly']);

/**
 * `linux/arm64/v8`, `linux/amd64`, or an architecture alone.
 * @throws UsageError
 */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) throw new UsageError({ attempted: `read the platform ${JSON.stringify(text)}`, detail: 'allowed: OS/ARCHITECTURE[/VARIANT], such as linux/amd64 or linux/arm/v7' });
  const [first = '', second, variant] = parts;
  if (second !== undefined) return normalizePlatform({ os: first, architecture: second, ...(variant === undefined ? {} : { variant }) });
  if (KNOWN_OS.has(first)) throw new UsageError({ attempted: `read the platform ${JSON.stringify(text)}`, detail: 'found no architecture, allowed: OS/ARCHITECTURE[/VARIANT]', hint: `write ${first}/amd64 or ${first}/arm64` });
  return normalizePlatform({ os: 'linux', architecture: first });
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return `${os}/${architecture}${variant === undefined || variant === '' ? '' : `/${variant}`}`;
}

/** Other names of an architecture become Go's (`aarch64` is `arm64`), and the variant that every such machine has is left out. */
export function normalizePlatform(platform: Platform): Platform {
  const { os, architecture, variant, ...rest } = platform;
  const alias = Object.hasOwn(ARCHITECTURES, architecture.toLowerCase()) ? ARCHITECTURES[architecture.toLowerCase()] : undefined;
  const name = alias?.architecture ?? architecture.toLowerCase();
  const given = variant === undefined || variant === '' ? alias?.variant : variant.toLowerCase();
  const canonical = given !== undefined && /^\d+$/.test(given) ? `v${given}` : given;
  const kept = canonical === undefined || (name !== 'arm' && canonical === DEFAULT_VARIANTS[name]) ? undefined : canonical;
  return { ...rest, os: os.toLowerCase(), architecture: name, ...(kept === undefined ? {} : { variant: kept }) };
}

/** How well `offered` runs where `wanted` is asked for: undefined when it doesn't, else the higher the better. Older variants run on newer machines. */
export function platformRank(wanted: Platform, offered: Platform): number | undefined {
  const want = normalizePlatform(wanted);
  const offer = normalizePlatform(offered);
  if (want.os !== offer.os || want.architecture !== offer.architecture) return undefined;
  const wantLevel = variantLevel(want);
  const offerLevel = variantLevel(offer);
  if (wantLevel === undefined || offerLevel === undefined) return want.variant === offer.variant ? 0 : undefined;
  return offerLevel <= wantLevel ? offerLevel : undefined;
}

/** `v7` is 7. Undefined where the architecture's variants have no order. */
function variantLevel({ architecture, variant }: Platform): number | undefined {
  if (!Object.hasOwn(DEFAULT_VARIANTS, architecture)) return undefined;
  const match = /^v(\d+)(?:\.(\d+))?$/.exec(variant ?? DEFAULT_VARIANTS[architecture] ?? '');
  return match === null ? undefined : Number(match[1]) + Number(match[2] ?? 0) / 100;
}

/**
 * The manifest of an index that suits best; the first of equals. Entries without a platform are taken only when no other suits.
 * @throws BoxError ERR_TSCBOX_IMAGE_NOT_FOUND with the platforms that there are.
 */
export function choosePlatform(manifests: readonly Descriptor[], wanted: Platform, name: string): Descriptor {
  let best: { readonly descriptor: Descriptor; readonly rank: number } | undefined;
  for (const descriptor of manifests) {
    const rank = descriptor.platform === undefined ? -1 : platformRank(wanted, descriptor.platform);
    if (rank !== undefined && (best === undefined || rank > best.rank)) best = { descriptor, rank };
  }
  if (best !== undefined) return best.descriptor;
  // Attestations of builders lie in the index as unknown/unknown.
  const offered = [...new Set(manifests.flatMap((entry) => (entry.platform === undefined || entry.platform.os === 'unknown' ? [] : [formatPlatform(entry.platform)])))];
  throw new BoxError({
    code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: `find ${formatPlatform(wanted)} in image ${JSON.stringify(name)}`,
    detail: offered.length === 0 ? 'it names no platform' : `it has ${offered.join(', ')}`, hint: offered.length === 0 ? undefined : `choose one with --platform ${offered[0] ?? ''}`,
  });
}
