/** `commit` and `export`: a container's files as an image, or as a tar. */
import { BoxError, MEDIA_TYPES, type Descriptor, type ImageRunConfig, type OverlayRoot } from '@tsc-box/model';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';
import { addLayer, writeImage } from '../store/compose.ts';
import { parseJsonBytes } from '../store/documents.ts';
import type { ImageStore, StoredImage } from '../store/index.ts';
import { applyChanges } from './changes.ts';
import { idsOf, whilePaused } from './container-tree.ts';
import { wholeName } from './names.ts';
import type { CommitOptions, MadeImage } from './types.ts';

/** Rule K4: what lies in the writable layer. The init layer and all mounts stay out; an empty change makes a layer too. */
export async function commitContainer(parts: Parts, store: ImageStore, state: ContainerState, options: CommitOptions = {}): Promise<MadeImage> {
  const attempted = `commit the container "${state.name}"`;
  const name = options.name === undefined ? undefined : wholeName(options.name);
  const overlay = layersOf(state, attempted);
  const base = await baseOf(store, state, attempted);
  // Checked before anything is written.
  const config = applyChanges(state.config ?? base.config.config ?? {}, options.changes ?? []);
  const lease = await store.lease();
  try {
    await lease.protect([base.manifest.config.digest, ...base.manifest.layers.map(({ digest }) => digest)]);
    const archiver = await parts.system.archiver();
    const ids = idsOf(state);
    const layer = await whilePaused(parts, state, options.pause ?? true, () => addLayer(lease, archiver.packChanges(overlay.upperdir, overlay.lowerdirs, ids === undefined ? {} : { ids })));
    const target = await writeImage(lease, await configOf(store, base, state, { ...options, config, diffId: layer.diffId }), [...base.manifest.layers.map(asOci), layer.descriptor]);
    await store.addImage(name, target);
    return { id: (await store.resolve(target.digest)).id, target };
  } finally {
    await lease.release();
  }
}

/** Of an image: of the host's root there is none to commit on. */
function layersOf(state: ContainerState, attempted: string): OverlayRoot {
  const [overlay] = state.root.kind === 'overlay' ? state.root.overlays : [];
  if (overlay !== undefined && state.image !== 'host') return overlay;
  const what = state.root.kind === 'directory' ? `on the directory "${state.root.path}"` : 'on this machine\'s own root';
  throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: `it runs ${what}, not on an image`, hint: state.root.kind === 'directory' ? 'make an image of a directory: tar -C DIR -c . | tsc-box import - NAME' : 'tsc-box diff shows its changes, tsc-box cp fetches files' });
}

async function baseOf(store: ImageStore, { imageId, image }: ContainerState, attempted: string): Promise<StoredImage> {
  if (imageId === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: `its image ${image} does not lie in the store`, hint: 'load the image first (tsc-box load -i), and run it by its name' });
  try {
    return await store.resolve(imageId);
  } catch (error) {
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted, detail: `its image ${image} (${imageId.slice(0, 19)}) was removed from the store`, hint: `pull or load ${image} again`, cause: error });
  }
}

interface NewConfig extends CommitOptions {
  readonly config: ImageRunConfig;
  readonly diffId: string;
}

/** The base's configuration with all that it has, also what is not known here. */
async function configOf(store: ImageStore, base: StoredImage, { command }: ContainerState, { author, message = '', created = new Date().toISOString(), config, diffId }: NewConfig): Promise<Readonly<Record<string, unknown>>> {
  const raw = parseJsonBytes(await store.readDocument(base.manifest.config), `configuration ${base.id}`) as Readonly<Record<string, unknown>>;
  const { container: _container, container_config: _containerConfig, docker_version: _version, id: _id, parent: _parent, ...rest } = raw;
  const rawConfig = typeof rest['config'] === 'object' && rest['config'] !== null ? rest['config'] : {};
  const line = { created, created_by: command.join(' '), ...(author === undefined ? {} : { author }), ...(message === '' ? {} : { comment: message }) };
  return {
    ...rest, created, ...(author === undefined ? {} : { author }), config: { ...without(rawConfig, ['Cmd', 'Entrypoint', 'Image', 'Hostname']), ...config },
    rootfs: { type: 'layers', diff_ids: [...base.config.rootfs.diff_ids, diffId] }, history: [...historyWithLayers(base), line],
  };
}

const without = (value: object, keys: readonly string[]): object => Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));

/** image-spec config.md: a history tells of every layer, or it is none. */
function historyWithLayers({ config }: StoredImage): readonly object[] {
  const history = config.history ?? [];
  const told = history.filter(({ empty_layer: empty }) => empty !== true).length;
  return [...history, ...Array.from({ length: Math.max(0, config.rootfs.diff_ids.length - told) }, () => ({ created_by: '' }))];
}

/** The same bytes by the name that OCI manifests have for them. */
function asOci(layer: Descriptor): Descriptor {
  const types: Readonly<Record<string, string>> = { [MEDIA_TYPES.dockerLayer]: MEDIA_TYPES.ociLayer, [MEDIA_TYPES.dockerLayerGzip]: MEDIA_TYPES.ociLayerGzip, [`${MEDIA_TYPES.dockerLayer}.zstd`]: MEDIA_TYPES.ociLayerZstd };
  return { ...layer, mediaType: types[layer.mediaType] ?? layer.mediaType };
}

/** The root without mounts and without the init layer, as an image has it. */
export async function exportContainer({ system }: Parts, state: ContainerState): Promise<AsyncIterable<Uint8Array>> {
  const archiver = await system.archiver();
  const ids = idsOf(state);
  if (state.root.kind === 'directory') return archiver.pack({ kind: 'directory', path: state.root.path }, '/', { name: '.', ...(ids === undefined ? {} : { ids }) });
  const overlay = layersOf(state, `export the container "${state.name}"`);
  const layers = [overlay.upperdir, ...overlay.lowerdirs.filter((path) => !path.endsWith('/init'))];
  return archiver.pack({ kind: 'layers', layers }, '/', { name: '.', ...(ids === undefined ? {} : { ids }) });
}
