/** `openImages`: the image store and what commands do with it. What each needs beyond the store is loaded when it is used. */
import { parsePlatform } from '@tsc-box/model';
import { findContainer, listContainers } from '../containers/find.ts';
import { sweepAndList } from '../containers/remove.ts';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';
import { removeMapped } from '../containers/remove-mapped.ts';
import { removeTree } from '../containers/remove-tree.ts';
import { ownPlatform } from '../images/platform.ts';
import { openImageStore, type ImageStore } from '../store/index.ts';
import { applyChanges } from './changes.ts';
import { historyOf, inspectImage } from './history.ts';
import { wholeName } from './names.ts';
import { removeImage } from './remove.ts';
import type { Images, ImportCommandOptions, MadeImage } from './types.ts';

export function openImages(parts: Parts): Images {
  const store = openImageStore({ root: parts.directories.images });
  const find = (nameOrId: string): ContainerState => findContainer(parts.store, nameOrId);
  return {
    store,
    login: async (registry, credentials, options = {}) => (await import('../registry/index.ts')).login(registry, credentials, options),
    logout: async (registry, options = {}) => (await import('../registry/index.ts')).logout(registry, options),
    pull: async (name, options = {}) => (await import('../registry/index.ts')).pullImage(name, { ...options, store }),
    push: async (name, destination, options = {}) => (await import('../registry/index.ts')).pushImage(name, destination, { ...options, store }),
    list: () => store.list(),
    tag: (source, name) => store.tag(source, name),
    remove: (name, { force = false } = {}) => removeImage(store, name, force, sweepAndList(parts)),
    load: async (path, options) => (await import('../store/load.ts')).loadImages(store, path, options),
    loadStream: async (source, options) => (await import('../store/load.ts')).loadArchive(store, source, 'standard input', options),
    async *save(names, options) {
      yield* (await import('../store/save.ts')).saveImages(store, names, options);
    },
    inspect: async (name) => inspectImage(await store.resolve(name), await store.list()),
    history: async (name) => historyOf(await store.resolve(name)),
    import: (source, options) => importArchive(store, source, options),
    commit: async (container, options) => (await import('./commit.ts')).commitContainer(parts, store, find(container), options),
    export: async (container) => (await import('./commit.ts')).exportContainer(parts, find(container)),
    copyFrom: async (container, from, to, cwd, options) => (await import('./copy.ts')).copyFromContainer(parts, find(container), from, to, cwd, options),
    copyTo: async (container, from, to, cwd, options) => (await import('./copy.ts')).copyToContainer(parts, find(container), from, to, cwd, options),
    archiveOf: async (container, path, options) => (await import('./copy.ts')).archiveOfContainer(parts, find(container), path, options),
    extractTo: async (container, source, directory, options) => (await import('./copy.ts')).extractToContainer(parts, find(container), source, directory, options),
    layers: async (name, options) => (await import('./layers.ts')).reportLayers(parts, store, name, options),
    why: async (name, path, options) => (await import('./layers.ts')).explainPath(parts, store, name, path, options),
    gc: async ({ dryRun = false, dangling = false, all = false } = {}) => {
      const images = dangling || all ? await removeUnused(parts, store, { dryRun, all }) : [];
      return { images, ...(await store.gc({ dryRun, layersRoot: parts.directories.layers, layersInUse: () => layersInUse(parts), removeLayer: (path) => removeLayer(parts, path) })) };
    },
    fsck: (options) => store.fsck(options),
  };
}

/** Images that no container was made from: those without a name, or all. */
async function removeUnused(parts: Parts, store: ImageStore, { dryRun, all }: { readonly dryRun: boolean; readonly all: boolean }): Promise<string[]> {
  const used = new Set(sweepAndList(parts).map(({ imageId }) => imageId));
  const images = await store.list();
  const named = new Set(images.flatMap(({ id, name }) => (name === undefined ? [] : [id])));
  const unused = [...new Set(images.map(({ id }) => id))].filter((id) => !used.has(id) && (all || !named.has(id)));
  if (!dryRun) for (const id of unused) await store.remove(id, { force: true });
  return unused;
}

/** Chain ids of the layers that containers stand on. */
function layersInUse(parts: Parts): readonly string[] {
  const prefix = `${parts.directories.layers}/`;
  const lower = listContainers(parts.store).flatMap(({ root }) => (root.kind === 'overlay' ? root.overlays.flatMap(({ lowerdirs }) => lowerdirs) : []));
  return lower.flatMap((path) => (path.startsWith(prefix) ? [path.slice(prefix.length)] : []));
}

/** Layers unpacked by an ordinary user are its own; what is not is removed as the root of its user namespace. */
function removeLayer(parts: Parts, path: string): void {
  try {
    removeTree(path);
  } catch (error) {
    if (!removeMapped(parts.system, path)) throw error;
  }
}

async function importArchive(store: ImageStore, source: AsyncIterable<Uint8Array>, { name, message, changes = [], platform, created = new Date().toISOString() }: ImportCommandOptions = {}): Promise<MadeImage> {
  const { importImage } = await import('../store/compose.ts');
  const config = applyChanges({}, changes);
  const target = await importImage(store, source, {
    platform: platform === undefined ? ownPlatform() : parsePlatform(platform), created, ...(name === undefined ? {} : { name: wholeName(name) }), ...(changes.length === 0 ? {} : { config }), ...(message === undefined ? {} : { message }),
  });
  return { id: (await store.resolve(target.digest)).id, target };
}
