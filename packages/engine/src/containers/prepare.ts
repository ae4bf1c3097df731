/** From a request to a launch plan. Nothing is made here, but for the layers of an image. */
import { resolve } from 'node:path';
import { compile, specFromOptions, UsageError, withDefaultMappings, type Facts, type ImageConfig, type ImageRunConfig, type LaunchPlan, type OptionContext, type Spec, type SpecResult, type System } from '@tsc-box/model';
import { containerConfig } from './container-config.ts';
import type { Directories } from './directories.ts';
import { planEtcFiles } from './etc-files.ts';
import { lookAtMounts, readMountinfo, type HostMount } from './host-mounts.ts';
import { hostDevices, hostPath, readHostFile, TEXT_MAX } from './host-paths.ts';
import { planHostRoot, withOwnUnions, shapeForRoot, shapeForUserNamespace, type HostShape } from './host-root.ts';
import type { Owner } from './layout.ts';
import { planDirectoryRoot, planLayersRoot, type PlannedRoot, type RootContext } from './root-plan.ts';
import { skeletonName } from './skeleton.ts';
import { readBundle, sourceOf, type RootSource } from './source.ts';
import type { RunRequest } from './types.ts';

export interface Prepared {
  readonly image: string;
  readonly imageId: string | undefined;
  readonly config: ImageRunConfig | undefined;
  readonly spec: Spec;
  readonly plan: LaunchPlan;
  readonly planned: PlannedRoot;
  readonly owner: Owner | undefined;
  readonly userns: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: number | undefined;
  readonly createDirectories: readonly string[];
  readonly warnings: readonly string[];
  /** Lets `gc` have the image's layers: once the container's record names them. */
  readonly release: () => Promise<void>;
}

export interface Preparation {
  readonly system: System;
  readonly directories: Directories;
  /** What was found out about the host in this process. */
  readonly memory: HostMemory;
}

export interface HostMemory {
  /** /proc/self/mountinfo, and what it says. */
  text: string;
  mounts: readonly HostMount[];
  /** Milliseconds of the monotonic clock. */
  readAt: number;
  readonly shapes: Map<string, { readonly shape: HostShape; readonly skeleton: string | undefined }>;
}

export const newMemory = (): HostMemory => ({ text: '', mounts: [], readAt: -Infinity, shapes: new Map() });

interface Configured extends Pick<SpecResult, 'spec' | 'warnings' | 'labels' | 'sources' | 'createDirectories' | 'createCwd' | 'init'> {
  readonly stopSignal?: number;
  /** Top first, of an image. */
  readonly layers: readonly string[];
  /** Of a bundle or --rootfs. */
  readonly directory: string;
  readonly imageId?: string;
  readonly config?: ImageRunConfig;
  readonly release?: () => Promise<void>;
}

export async function prepare(preparation: Preparation, request: RunRequest, id: string): Promise<Prepared> {
  const source = sourceOf(request);
  const configured = await configure(preparation, request, source, id);
  try {
    return planConfigured(preparation, request, source, configured, id);
  } catch (error) {
    await configured.release?.();
    throw error;
  }
}

const nothingToRelease = (): Promise<void> => Promise.resolve();

function planConfigured(preparation: Preparation, request: RunRequest, source: RootSource, configured: Configured, id: string): Prepared {
  const facts = preparation.system.facts();
  const { userns, owner } = userNamespaceOf(configured.spec, facts);
  const planned = planRoot(preparation, request, source, configured, { userns, owner, id });
  const spec = withConsoleSize({ ...configured.spec, mounts: mergeMounts(planned, configured.spec) }, request);
  const plan = compile(spec, facts, {
    id, root: planned.root, createCwd: configured.createCwd, init: configured.init, sources: { ...configured.sources, ...planned.sources },
    ...(request.options.noPivot === undefined ? {} : { noPivot: request.options.noPivot }),
    ...(request.dieWithParent === undefined ? {} : { dieWithParent: request.dieWithParent }),
  });
  return {
    image: source.label, imageId: configured.imageId, config: configured.config, release: configured.release ?? nothingToRelease, spec, plan, planned, owner, userns, labels: configured.labels, stopSignal: configured.stopSignal,
    createDirectories: configured.createDirectories, warnings: [...configured.warnings, ...planned.warnings, ...plan.warnings],
  };
}

/** The size of the caller's terminal is the container's, unless its bundle says another. */
function withConsoleSize(spec: Spec, { terminalSize }: RunRequest): Spec {
  if (spec.process?.terminal !== true || terminalSize === undefined) return spec;
  return { ...spec, process: { consoleSize: terminalSize, ...spec.process } };
}

/** What the user mounts on /etc/hosts and the like comes instead of ours. */
function mergeMounts(planned: PlannedRoot, spec: Spec): Spec['mounts'] & object {
  const own = spec.mounts ?? [];
  const taken = new Set(own.map(({ destination }) => destination));
  const fresh = (mounts: PlannedRoot['last']): PlannedRoot['last'] => mounts.filter(({ destination }) => !taken.has(destination));
  return [...fresh(planned.first), ...own, ...fresh(planned.last)];
}

async function configure(preparation: Preparation, request: RunRequest, source: RootSource, id: string): Promise<Configured> {
  if (source.kind === 'bundle') return configureBundle(request, source.path, id, preparation.system.facts());
  const image: OpenedLayers = source.kind === 'layers' ? await openLayers(preparation, request, source.label) : { config: undefined, lowerdirs: source.kind === 'host' ? ['/'] : [source.path] };
  try {
    const context = optionContext(preparation.system, request, id, source.kind, image.lowerdirs);
    const result = specFromOptions(request.options, request.command, image.config, context);
    const { imageId, release } = image;
    return { ...result, layers: image.lowerdirs, directory: source.kind === 'rootfs' ? source.path : '', ...(imageId === undefined ? {} : { imageId }), ...configOf(request, image, result), ...(release === undefined ? {} : { release }) };
  } catch (error) {
    await image.release?.();
    throw error;
  }
}

function configureBundle(request: RunRequest, path: string, id: string, facts: Facts): Configured {
  const bundle = readBundle(path, request);
  const { rootfs, warnings, sources } = bundle;
  const spec = withDefaultMappings(bundle.spec, facts);
  const linux = { ...spec.linux, cgroupsPath: spec.linux?.cgroupsPath ?? `/tsc-box/${id}` };
  return { spec: { ...spec, linux }, warnings, sources, labels: {}, createDirectories: [], init: false, createCwd: false, layers: [], directory: rootfs };
}

/** For `commit`: only images of the store can be committed on. */
function configOf({ options, command, cwd }: RunRequest, { config, imageId }: OpenedLayers, { spec, labels }: SpecResult): { readonly config?: ImageRunConfig } {
  if (config === undefined || imageId === undefined) return {};
  return { config: containerConfig({ image: config, options, command, env: spec.process?.env ?? [], labels, readFile: (path) => readHostFile(resolve(cwd, path)) }) };
}

interface OpenedLayers {
  readonly config: ImageConfig | undefined;
  readonly lowerdirs: readonly string[];
  readonly imageId?: string;
  readonly release?: () => Promise<void>;
}

/** Images that lie elsewhere say how: all other texts are names and ids of the store. */
const ELSEWHERE = /^(oci|docker-archive):/;

async function openLayers({ system, directories }: Preparation, request: RunRequest, text: string): Promise<OpenedLayers> {
  const { onProgress, onWarning, onBlob, pull, platform, plainHttp } = request;
  const shared = { layersRoot: directories.layers, extractor: await system.extractor(), ...(onProgress === undefined ? {} : { onProgress }) };
  if (ELSEWHERE.test(text)) {
    if (pull === 'always') throw new UsageError({ attempted: `pull ${JSON.stringify(text)}`, detail: 'it lies on this machine, allowed: an image of a registry' });
    if (platform !== undefined) throw new UsageError({ attempted: `choose the platform ${JSON.stringify(platform)} of ${JSON.stringify(text)}`, detail: 'allowed for images of the store only', hint: 'load it first: tsc-box load' });
    const { openImage, parseSource } = await import('../images/index.ts');
    return openImage(parseSource(text, request.cwd), { ...shared, ...(onWarning === undefined ? {} : { onWarning }) });
  }
  const { openImageStore } = await import('../store/index.ts');
  const { openRunImage } = await import('../image-commands/run-image.ts');
  const opened = await openRunImage(text, {
    ...shared, store: openImageStore({ root: directories.images }), ...(pull === undefined ? {} : { pull }), ...(platform === undefined ? {} : { platform }), ...(plainHttp === undefined ? {} : { plainHttp }),
    ...(onBlob === undefined ? {} : { onBlob }), ...(onWarning === undefined ? {} : { onWarning }),
  });
  return { config: opened.config, lowerdirs: opened.lowerdirs, imageId: opened.image.id, release: () => opened.release() };
}

function optionContext(system: System, request: RunRequest, id: string, image: OptionContext['image'], lowerdirs: readonly string[]): OptionContext {
  const decoder = new TextDecoder();
  return {
    id, image, facts: system.facts(), hostEnv: request.hostEnv, cwd: request.cwd, readHostFile, hostPath, hostDevices,
    readRootFile(path) {
      if (image === 'host') return readHostFile(path);
      const bytes = system.readLayerFile(lowerdirs, path, TEXT_MAX);
      return bytes === undefined ? undefined : decoder.decode(bytes);
    },
  };
}

/** Whose the container's files are on the host: undefined where they are the launching process's own. */
function userNamespaceOf(spec: Spec, facts: Facts): { readonly userns: boolean; readonly owner: Owner | undefined } {
  const namespace = spec.linux?.namespaces?.find(({ type }) => type === 'user');
  if (namespace === undefined) return { userns: false, owner: undefined };
  const root = (mappings: NonNullable<Spec['linux']>['uidMappings']): number | undefined => mappings?.find(({ containerID }) => containerID === 0)?.hostID;
  const owner = { uid: root(spec.linux?.uidMappings) ?? facts.uid, gid: root(spec.linux?.gidMappings) ?? facts.gid };
  return { userns: true, owner: owner.uid === facts.uid && owner.gid === facts.gid ? undefined : owner };
}

interface Place {
  readonly id: string;
  readonly userns: boolean;
  readonly owner: Owner | undefined;
}

function planRoot(preparation: Preparation, request: RunRequest, source: RootSource, configured: Configured, { id, userns, owner }: Place): PlannedRoot {
  const { directories } = preparation;
  const etc = source.kind === 'bundle' ? undefined : planEtcFiles(configured.spec, request.options);
  const context: RootContext = { directory: `${directories.containers}/${id}`, runFiles: `${directories.runRoot}/${id}`, mountpoint: directories.mountpoint, owner, userns, etc };
  if (source.kind === 'layers') return planLayersRoot(context, configured.layers);
  if (source.kind === 'host') {
    const { shape, skeleton } = hostShape(preparation, userns, owner);
    const { privileged, uid } = preparation.system.facts();
    const own = userns && !privileged && uid !== 0 ? withOwnUnions(shape, uid, [request.cwd, request.hostEnv['HOME'] ?? request.cwd]) : shape;
    const planned = planHostRoot(context, own, skeleton);
    return skeleton === undefined ? planned : { ...planned, skeleton: { path: skeleton, layout: shape.skeleton } };
  }
  const asked = [...((request.options.addHosts ?? []).length > 0 ? ['hosts'] : []), ...((request.options.dns ?? []).length > 0 ? ['resolv.conf'] : [])];
  return planDirectoryRoot(context, configured.directory, asked);
}

/** Containers run one after another share what was found in directories, for this long. Changed mounts are seen at once. */
const MEMORY_MS_MAX = 1000;

function hostShape({ directories, memory }: Preparation, userns: boolean, owner: Owner | undefined): { readonly shape: HostShape; readonly skeleton: string | undefined } {
  const text = readMountinfo();
  if (text !== memory.text || performance.now() - memory.readAt > MEMORY_MS_MAX) {
    memory.text = text;
    memory.mounts = lookAtMounts(text, directories.root);
    memory.readAt = performance.now();
    memory.shapes.clear();
  }
  const key = userns ? `${owner?.uid ?? ''}:${owner?.gid ?? ''}` : 'root';
  const known = memory.shapes.get(key);
  if (known !== undefined) return known;
  const shape = userns ? shapeForUserNamespace(memory.mounts, owner) : shapeForRoot(memory.mounts);
  const skeleton = userns ? `${directories.skeletons}/${skeletonName(shape.skeleton, owner)}` : undefined;
  const found = { shape, skeleton };
  memory.shapes.set(key, found);
  return found;
}
