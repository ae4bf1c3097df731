/** `history` and `inspect` of images, in the shapes that docker gives them. */
import { familiarName, familiarReference, formatPlatform } from '@tsc-box/model';
import type { StoredImage } from '../store/index.ts';
import type { HistoryLine } from './types.ts';

/** Newest first. Layers that the history does not tell of come on top, without a command. */
export function historyOf({ id, config, manifest }: StoredImage): HistoryLine[] {
  let layer = 0;
  const size = (): number => manifest.layers[layer++]?.size ?? 0;
  const lines = (config.history ?? []).map(({ created, created_by: createdBy = '', comment = '', empty_layer: empty = false }): HistoryLine => ({ id: undefined, created, createdBy, comment, size: empty ? 0 : size() }));
  while (layer < manifest.layers.length) lines.push({ id: undefined, created: undefined, createdBy: '', comment: '', size: size() });
  return lines.reverse().map((line, index) => (index === 0 ? { ...line, id } : line));
}

/** Names and digests by which the image is found. */
export function namesOf(images: readonly StoredImage[], id: string): { readonly tags: readonly string[]; readonly digests: readonly string[] } {
  const same = images.filter((image) => image.id === id);
  const tags = same.flatMap(({ reference, name }) => (reference?.tag === undefined ? (reference === undefined && name !== undefined ? [name] : []) : [familiarReference({ registry: reference.registry, repository: reference.repository, tag: reference.tag })]));
  const digests = same.flatMap(({ reference, target }) => (reference === undefined ? [] : [`${familiarName(reference)}@${target.digest}`]));
  return { tags: [...new Set(tags)], digests: [...new Set(digests)] };
}

/** `docker image inspect`. */
export function inspectImage(image: StoredImage, all: readonly StoredImage[]): Readonly<Record<string, unknown>> {
  const { config, id, size, target, manifestDescriptor } = image;
  const { tags, digests } = namesOf(all, id);
  const run = config.config ?? {};
  return {
    Id: id, RepoTags: tags, RepoDigests: digests, Comment: config.history?.at(-1)?.comment ?? '', Created: config.created ?? '', Author: config.author ?? '', Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }), Os: config.os, Platform: formatPlatform(image.platform), Size: size,
    Config: {
      User: run.User ?? '', ExposedPorts: run.ExposedPorts ?? null, Env: run.Env ?? null, Cmd: run.Cmd ?? null, Volumes: run.Volumes ?? null, WorkingDir: run.WorkingDir ?? '', Entrypoint: run.Entrypoint ?? null,
      Labels: run.Labels ?? null, ...(run.StopSignal === undefined ? {} : { StopSignal: run.StopSignal }),
    },
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    Descriptor: { mediaType: target.mediaType, digest: target.digest, size: target.size }, Manifest: manifestDescriptor.digest,
  };
}
