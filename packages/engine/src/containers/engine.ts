/** `openEngine`: containers on a System. Opening costs nothing: directories are made when something is first kept in them. */
import { BoxError, checkPlan, type CheckResult } from '@tsc-box/model';
import { checkCommand } from './check-command.ts';
import { diffContainer } from './diff.ts';
import { makeDirectories, planDirectories } from './directories.ts';
import { findContainer } from './find.ts';
import { newMemory, prepare, type Prepared } from './prepare.ts';
import { removeByName, sweepAndList, sweepContainers } from './remove.ts';
import { runContainer, type Parts } from './run.ts';
import { openStore } from './store.ts';
import type { Engine, EngineOptions, RunRequest } from './types.ts';
import { probeUpperFilesystem } from './upper-filesystem.ts';

/** Stands for the id in plans that are only looked at, so that the same request gives the same plan. */
const SAMPLE_ID = '0'.repeat(64);

/** @throws BoxError where no place for containers is known: no HOME, and no `root` given. */
export function openEngine(options: EngineOptions): Engine {
  const { system } = options;
  const facts = system.facts();
  const directories = planDirectories(options, facts);
  const parts: Parts = { system, directories, store: openStore(directories, system), memory: newMemory(), ...(options.startSupervisor === undefined ? {} : { startSupervisor: options.startSupervisor }) };
  let made = false;
  const ready = (): void => {
    if (!made) makeDirectories(directories, facts.uid);
    made = true;
  };
  const look = async (request: RunRequest): Promise<Prepared> => {
    if (needsLayers(request)) ready();
    const prepared = await prepare(parts, withoutPull(request), SAMPLE_ID);
    await prepared.release();
    return prepared;
  };
  return {
    root: directories.root, runRoot: directories.runRoot,
    plan: async (request) => (await look(request)).plan,
    spec: async (request) => (await look(request)).spec,
    async run(request) {
      ready();
      return runContainer(parts, request);
    },
    check: (request) => checkRequest(parts, request, needsLayers(request) ? ready : undefined),
    list: () => sweepAndList(parts),
    find: (nameOrId) => findContainer(parts.store, nameOrId),
    remove: (nameOrId, { force = false } = {}) => removeByName(parts, nameOrId, force),
    diff: (nameOrId) => diffContainer(system, findContainer(parts.store, nameOrId)),
    apply: async (nameOrId, request = {}) => (await import('./apply.ts')).applyContainer(system, findContainer(parts.store, nameOrId), request),
    async images() {
      ready();
      return (await import('../image-commands/index.ts')).openImages(parts);
    },
    async life() {
      ready();
      return (await import('../life/life.ts')).openLife(parts);
    },
    sweep: () => sweepContainers(parts),
  };
}

/** Looking at a plan fetches nothing, unless it is asked for. */
const withoutPull = (request: RunRequest): RunRequest => ({ pull: 'never', ...request });

function needsLayers({ image }: RunRequest): boolean {
  return image !== undefined && image !== 'host';
}

/** What the model's rules say of the plan, and what only the engine knows: where the writable layer would lie. */
async function checkRequest(parts: Parts, request: RunRequest, ready: (() => void) | undefined): Promise<CheckResult[]> {
  const { system, directories } = parts;
  let prepared: Prepared;
  try {
    ready?.();
    prepared = await prepare(parts, withoutPull(request), SAMPLE_ID);
    await prepared.release();
  } catch (error) {
    // A host that can't is an answer; a request that can't be understood is not.
    if (!(error instanceof BoxError) || error.code !== 'ERR_TSCBOX_UNSUPPORTED') throw error;
    const { step, attempted, detail, reason, hint } = error;
    return [{ step: step ?? 'plan', what: attempted, ok: false, reason: reason ?? detail ?? error.message, ...(hint === undefined ? {} : { hint }) }];
  }
  const command = checkCommand(system, prepared.plan, prepared.spec, prepared.planned.root);
  const results = [...checkPlan(prepared.plan, system.facts()), ...(command === undefined ? [] : [command])];
  if (prepared.planned.root.kind !== 'overlay') return results;
  const refused = probeUpperFilesystem(directories.root, system.facts(), prepared.userns);
  return [...results, { step: 'root.upper', what: `the writable layer in ${directories.root}`, ok: refused === undefined, ...refused }];
}
