/** `tsc-box layers`: what each layer of an image or a container holds, hides and wastes. */
import { BoxError } from '@tsc-box/model';
import { findContainer } from '../containers/find.ts';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';
import { openStoreImage, type ImageStore, type StoredImage } from '../store/index.ts';
import type { LayerReport, LayersOptions, WhyStep } from './types.ts';

interface Stack {
  /** Top first. */
  readonly layers: readonly { readonly path: string; readonly role: LayerReport['role']; readonly chainId?: string }[];
  readonly image: StoredImage | undefined;
  readonly release: () => Promise<void>;
}

export async function reportLayers(parts: Parts, store: ImageStore, name: string, options: LayersOptions = {}): Promise<LayerReport[]> {
  const stack = await openStack(parts, store, name, options);
  try {
    const paths = stack.layers.map(({ path }) => path);
    const usage = (await parts.system.archiver()).usage(paths);
    return stack.layers.map((layer, index): LayerReport => {
      const changes = parts.system.diffLayers(layer.path, paths.slice(index + 1));
      const count = (kind: string): number => changes.filter((change) => change.kind === kind).length;
      const { size = 0, wasted = 0 } = usage[index] ?? {};
      return { ...layer, ...ofImage(stack, index), size, wasted, added: count('A'), changed: count('C'), deleted: count('D') };
    });
  } finally {
    await stack.release();
  }
}

/** What the image says of the layer at this place. */
function ofImage({ image, layers }: Stack, index: number): Partial<LayerReport> {
  const number = layers.length - 1 - index;
  const blob = image?.manifest.layers[number];
  const diffId = image?.config.rootfs.diff_ids[number];
  if (blob === undefined || diffId === undefined) return {};
  const createdBy = (image?.config.history ?? []).filter(({ empty_layer: empty }) => empty !== true)[number]?.created_by;
  return { diffId, digest: blob.digest, blobSize: blob.size, ...(createdBy === undefined ? {} : { createdBy }) };
}

export async function explainPath(parts: Parts, store: ImageStore, name: string, path: string, options: LayersOptions = {}): Promise<WhyStep[]> {
  const stack = await openStack(parts, store, name, options);
  try {
    const traces = (await parts.system.archiver()).trace(stack.layers.map((layer) => layer.path), path);
    return traces.flatMap(({ found, visible, hiddenBy }, layer): WhyStep[] => (found === undefined ? [] : [{ layer, role: stack.layers[layer]?.role ?? 'ro+wh', found, visible, ...(hiddenBy === undefined ? {} : { hiddenBy }) }]));
  } finally {
    await stack.release();
  }
}

/** A container wins over an image of the same name. */
async function openStack(parts: Parts, store: ImageStore, name: string, options: LayersOptions): Promise<Stack> {
  const state = tryContainer(parts, name);
  return state === undefined ? openImageStack(parts, store, name, options) : openContainerStack(store, state);
}

function tryContainer(parts: Parts, name: string): ContainerState | undefined {
  try {
    return findContainer(parts.store, name);
  } catch (error) {
    if (error instanceof BoxError && error.code === 'ERR_TSCBOX_CONTAINER_NOT_FOUND') return undefined;
    throw error;
  }
}

async function openImageStack({ system, directories }: Parts, store: ImageStore, name: string, { onProgress }: LayersOptions): Promise<Stack> {
  const opened = await openStoreImage(store, name, { layersRoot: directories.layers, extractor: await system.extractor(), ...(onProgress === undefined ? {} : { onProgress }) });
  const layers = [...opened.chainIds].reverse().map((chainId, index) => ({ path: opened.lowerdirs[index] ?? '', role: 'ro+wh' as const, chainId }));
  return { layers, image: opened.image, release: () => opened.release() };
}

async function openContainerStack(store: ImageStore, state: ContainerState): Promise<Stack> {
  const [overlay] = state.root.kind === 'overlay' ? state.root.overlays : [];
  if (overlay === undefined || state.image === 'host') throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `show the layers of "${state.name}"`, detail: 'it does not run on the layers of an image' });
  const [init = '', ...image] = overlay.lowerdirs;
  const found = state.imageId === undefined ? undefined : (await store.list()).find(({ id }) => id === state.imageId);
  return {
    layers: [{ path: overlay.upperdir, role: 'rw' }, { path: init, role: 'init' }, ...image.map((path) => ({ path, role: 'ro+wh' as const, chainId: path.slice(path.lastIndexOf('/') + 1) }))],
    image: found, release: () => Promise.resolve(),
  };
}
