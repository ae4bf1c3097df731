/**
 * What a cgroup has used, from whichever version has its controllers: cgroup-v2.rst; on version 1 cgroup-v1/{memory,cpuacct,blkio-controller,pids}.rst.
 */
import type { CgroupStats } from '@tsc-box/model';
import { readNumber, tryRead } from './files.ts';

type Find = (controller: string) => string | undefined;
type Found = { readonly [K in keyof CgroupStats]?: CgroupStats[K] | undefined };

/** From this on a version 1 memory limit stands for none: the largest multiple of a page in a long. */
const NO_LIMIT = 2 ** 62;
const MICROSECONDS = 1000;

export function readStats(find: Find): CgroupStats {
  const all = { ...memoryStats(find), ...cpuStats(find), ...ioStats(find), ...pidsStats(find), ...pressureStats(find) };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** `key value` lines. */
function flatKeyed(path: string): Map<string, number> {
  const lines = (tryRead(path) ?? '').split('\n').map((line) => line.split(' '));
  return new Map(lines.filter((fields) => fields.length === 2).map(([key = '', value]) => [key, Number(value)]));
}

const limit = (value: number | undefined): number | undefined => (value === undefined || value >= NO_LIMIT ? undefined : value);

function memoryStats(find: Find): Found {
  const directory = find('memory');
  if (directory === undefined) return {};
  const stat = flatKeyed(`${directory}/memory.stat`);
  const current = readNumber(`${directory}/memory.current`);
  if (current !== undefined) {
    return {
      memory: Math.max(0, current - (stat.get('inactive_file') ?? 0)), memoryLimit: readNumber(`${directory}/memory.max`), peakMemory: readNumber(`${directory}/memory.peak`),
      swap: readNumber(`${directory}/memory.swap.current`), oomKills: flatKeyed(`${directory}/memory.events`).get('oom_kill'),
    };
  }
  const usage = readNumber(`${directory}/memory.usage_in_bytes`);
  return {
    memory: usage === undefined ? undefined : Math.max(0, usage - (stat.get('total_inactive_file') ?? 0)), memoryLimit: limit(readNumber(`${directory}/memory.limit_in_bytes`)),
    peakMemory: readNumber(`${directory}/memory.max_usage_in_bytes`), swap: stat.get('total_swap'), oomKills: flatKeyed(`${directory}/memory.oom_control`).get('oom_kill'),
  };
}

function cpuStats(find: Find): Found {
  const cpu = find('cpu') ?? find('cgroup');
  const stat = cpu === undefined ? new Map<string, number>() : flatKeyed(`${cpu}/cpu.stat`);
  const throttledNs = stat.get('throttled_time');
  const throttling = { cpuPeriods: stat.get('nr_periods'), cpuThrottledPeriods: stat.get('nr_throttled'), cpuThrottledUs: stat.get('throttled_usec') ?? (throttledNs === undefined ? undefined : Math.round(throttledNs / MICROSECONDS)) };
  const usage = stat.get('usage_usec');
  if (usage !== undefined) return { cpuTimeUs: usage, cpuUserUs: stat.get('user_usec'), cpuSystemUs: stat.get('system_usec'), ...throttling };
  const acct = find('cpuacct');
  if (acct === undefined) return throttling;
  const microseconds = (file: string): number | undefined => {
    const value = readNumber(`${acct}/${file}`);
    return value === undefined ? undefined : Math.round(value / MICROSECONDS);
  };
  return { cpuTimeUs: microseconds('cpuacct.usage'), cpuUserUs: microseconds('cpuacct.usage_user'), cpuSystemUs: microseconds('cpuacct.usage_sys'), ...throttling };
}

function ioStats(find: Find): Found {
  const v2 = find('io');
  if (v2 !== undefined) {
    const text = tryRead(`${v2}/io.stat`) ?? '';
    const sum = (key: string): number => [...text.matchAll(new RegExp(`\\b${key}=(\\d+)`, 'g'))].reduce((total, [, value]) => total + Number(value), 0);
    return { ioReadBytes: sum('rbytes'), ioWriteBytes: sum('wbytes'), ioReads: sum('rios'), ioWrites: sum('wios') };
  }
  const v1 = find('blkio');
  if (v1 === undefined) return {};
  const sum = (file: string, kind: string): number => [...(tryRead(`${v1}/${file}`) ?? '').matchAll(new RegExp(`^\\d+:\\d+ ${kind} (\\d+)$`, 'gm'))].reduce((total, [, value]) => total + Number(value), 0);
  const [bytes, operations] = ['blkio.throttle.io_service_bytes_recursive', 'blkio.throttle.io_serviced_recursive'];
  return { ioReadBytes: sum(bytes, 'Read'), ioWriteBytes: sum(bytes, 'Write'), ioReads: sum(operations, 'Read'), ioWrites: sum(operations, 'Write') };
}

function pidsStats(find: Find): Found {
  const directory = find('pids');
  return directory === undefined ? {} : { pids: readNumber(`${directory}/pids.current`), pidsLimit: readNumber(`${directory}/pids.max`) };
}

/** Version 2 only. */
function pressureStats(find: Find): Found {
  const directory = find('cgroup');
  if (directory === undefined) return {};
  const of = (resource: string): number | undefined => {
    const value = /^some avg10=([\d.]+)/m.exec(tryRead(`${directory}/${resource}.pressure`) ?? '')?.[1];
    return value === undefined ? undefined : Number(value);
  };
  const found = { cpu: of('cpu'), memory: of('memory'), io: of('io') };
  return { pressure: Object.values(found).every((value) => value === undefined) ? undefined : Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) };
}
