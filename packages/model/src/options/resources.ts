/** Limits as docker's flags have them, as OCI resources: docs.docker.com "Resource constraints"; config-linux.md "Control groups". */
import { UsageError } from '../errors/box-error.ts';
import type { Facts } from '../plan/facts.ts';
import { exceeds, formatLimit, parseUlimit } from '../spec/rlimits.ts';
import type { SpecCpu, SpecMemory, SpecResources, SpecRlimit } from '../spec/spec.ts';
import { checkCpuset, parseCpus, parseInteger, parseSize } from './numbers.ts';
import type { RunOptions } from './run-options.ts';

const MAX = Number.MAX_SAFE_INTEGER;
/** Microseconds; the kernel's bounds of a bandwidth period and its least quota: sched-bwc.rst. */
const PERIOD_MIN = 1000;
const PERIOD_MAX = 1_000_000;

/**
 * Memory, CPU and process limits. A field that was not asked for is absent.
 * @throws UsageError in the units of the flag.
 */
export function parseResources(options: RunOptions, facts: Facts): SpecResources {
  const memory = parseMemory(options, facts);
  const cpu = parseCpu(options, facts);
  const pids = options.pidsLimit === undefined ? undefined : parseInteger(options.pidsLimit, '--pids-limit', -1, 4_194_304);
  return {
    ...(Object.keys(memory).length === 0 ? {} : { memory }),
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    // 0 and -1 both lift the limit for docker users; in the spec 0 would be a real 0 (podman#29422).
    ...(pids === undefined ? {} : { pids: { limit: pids <= 0 ? -1 : pids } }),
  };
}

/** `--memory-swap` is memory and swap together; left out it is twice the memory, as docker has it, where there is swap at all. */
function parseMemory(options: RunOptions, facts: Facts): SpecMemory {
  const limit = options.memory === undefined ? 0 : parseSize(options.memory, '--memory');
  const reservation = options.memoryReservation === undefined ? 0 : parseSize(options.memoryReservation, '--memory-reservation');
  const swap = options.memorySwap === undefined ? undefined : options.memorySwap === '-1' ? -1 : parseSize(options.memorySwap, '--memory-swap');
  if (swap !== undefined && swap !== 0) {
    if (limit === 0) throw new UsageError({ attempted: 'read --memory-swap', detail: `found "${options.memorySwap ?? ''}" without --memory, allowed: both together`, hint: 'it is the sum of memory and swap: --memory 64m --memory-swap 128m' });
    if (swap > 0 && swap < limit) throw new UsageError({ attempted: 'read --memory-swap', detail: `found "${options.memorySwap ?? ''}", allowed: at least --memory ${options.memory ?? ''}, because it is memory and swap together; or -1` });
  }
  if (reservation > 0 && limit > 0 && reservation > limit) throw new UsageError({ attempted: 'read --memory-reservation', detail: `found "${options.memoryReservation ?? ''}", allowed: at most --memory ${options.memory ?? ''}` });
  const total = swap === undefined || swap === 0 ? (limit > 0 && facts.swap && limit * 2 <= MAX ? limit * 2 : undefined) : swap;
  return { ...(limit === 0 ? {} : { limit }), ...(reservation === 0 ? {} : { reservation }), ...(total === undefined ? {} : { swap: total }) };
}

function parseCpu(options: RunOptions, facts: Facts): SpecCpu {
  const cpus = options.cpus === undefined ? undefined : parseCpus(options.cpus, facts.cpus);
  const period = options.cpuPeriod === undefined ? undefined : parseInteger(options.cpuPeriod, '--cpu-period', PERIOD_MIN, PERIOD_MAX);
  const quota = options.cpuQuota === undefined ? undefined : parseInteger(options.cpuQuota, '--cpu-quota', -1, MAX);
  if (quota !== undefined && quota > 0 && quota < PERIOD_MIN) throw new UsageError({ attempted: 'read --cpu-quota', detail: `found "${quota}", allowed: at least ${PERIOD_MIN} microseconds, or -1 for no limit` });
  if (options.cpus !== undefined && (period !== undefined || quota !== undefined)) throw new UsageError({ attempted: 'read --cpus', detail: 'found --cpu-period or --cpu-quota beside it, allowed: one way to say it' });
  const shares = options.cpuShares === undefined ? 0 : parseInteger(options.cpuShares, '--cpu-shares', 0, 262_144);
  return {
    ...(shares === 0 ? {} : { shares }),
    ...cpus,
    ...(quota === undefined || quota === 0 ? {} : { quota }),
    ...(period === undefined ? {} : { period }),
    ...(options.cpusetCpus === undefined ? {} : { cpus: checkCpuset(options.cpusetCpus, '--cpuset-cpus') }),
    ...(options.cpusetMems === undefined ? {} : { mems: checkCpuset(options.cpusetMems, '--cpuset-mems') }),
  };
}

/**
 * `--ulimit`, the last one of a kind. No limit is changed that was not asked for (moby#38814).
 * @throws UsageError for a hard limit that this process may not set.
 */
export function parseRlimits(texts: readonly string[], facts: Facts): SpecRlimit[] {
  const byType = new Map<string, SpecRlimit>();
  for (const text of texts) {
    const limit = parseUlimit(text);
    const ceiling = facts.hardRlimits[limit.type];
    // In a user namespace the kernel asks for the capability in the initial one: setrlimit(2).
    const may = facts.privileged && facts.capabilities.includes('CAP_SYS_RESOURCE');
    if (!may && ceiling !== undefined && exceeds(limit.hard, ceiling)) {
      throw new UsageError({ attempted: 'read --ulimit', detail: `found "${text}", allowed: up to ${formatLimit(ceiling)}, the hard limit of this process, which does not hold CAP_SYS_RESOURCE`, hint: 'ask for less, or start from a process with higher limits (ulimit -H)' });
    }
    byType.set(limit.type, limit);
  }
  return [...byType.values()];
}
