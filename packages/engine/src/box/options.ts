/** From the options of a call to a request of the engine. */
import { parseDurationMs, parseSize, UsageError, type RunOptions } from '@tsc-box/model';
import type { RunRequest } from '../containers/types.ts';
import type { BoxOptions, Limits } from './types.ts';

const OUTPUT_MAX = 64 * 2 ** 20;
/** setTimeout's own. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** What is not an option of the container itself. */
const CALL_KEYS: readonly string[] = ['image', 'rootfs', 'bundle', 'command', 'env', 'memory', 'memorySwap', 'cpus', 'pidsLimit', 'keep', 'pull', 'platform', 'cwd', 'onWarning', 'stdin', 'check', 'timeout', 'signal', 'maxOutput'];

/** @throws UsageError: also for an option that there is not */
export function requestOf(call: BoxOptions): Omit<RunRequest, 'stdio'> {
  const { image, rootfs, bundle, keep = false, pull, platform, cwd = process.cwd(), onWarning } = call;
  const command: unknown = call.command ?? [];
  const rest = Object.fromEntries(Object.entries(call).filter(([key, value]) => !CALL_KEYS.includes(key) && value !== undefined)) as RunOptions;
  if (!isTexts(command)) throw new UsageError({ attempted: 'read the command', detail: `found ${JSON.stringify(command)}, allowed: a list of strings` });
  const options: RunOptions = {
    ...rest, env: environmentOf(call.env), ...textOf('memory', call.memory), ...textOf('memorySwap', call.memorySwap), ...textOf('cpus', call.cpus), ...textOf('pidsLimit', call.pidsLimit),
  };
  return {
    ...(image === undefined ? {} : { image }), ...(rootfs === undefined ? {} : { rootfs }), ...(bundle === undefined ? {} : { bundle }), ...(pull === undefined ? {} : { pull }), ...(platform === undefined ? {} : { platform }),
    options, command, cwd, hostEnv: {}, remove: !keep, dieWithParent: true, ...(onWarning === undefined ? {} : { onWarning }),
  };
}

const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every((word) => typeof word === 'string');

function textOf<K extends 'memory' | 'memorySwap' | 'cpus' | 'pidsLimit'>(key: K, value: string | number | undefined): { readonly [key in K]?: string } {
  if (value === undefined) return {};
  if (typeof value === 'number' && !Number.isFinite(value)) throw new UsageError({ attempted: `read the option "${key}"`, detail: `found ${String(value)}, allowed: a number` });
  return { [key]: String(value) } as { readonly [key in K]?: string };
}

const isList = (env: NonNullable<BoxOptions['env']>): env is readonly string[] => Array.isArray(env);

/** @throws UsageError */
export function environmentOf(env: BoxOptions['env']): readonly string[] {
  if (env === undefined) return [];
  if (isList(env)) {
    const bare: unknown = env.find((entry: unknown) => typeof entry !== 'string' || !entry.includes('='));
    if (bare !== undefined) throw new UsageError({ attempted: 'read the option "env"', detail: `found ${JSON.stringify(bare)}, allowed: KEY=VALUE` });
    return env;
  }
  return Object.entries(env).map(([key, value]) => {
    if (key === '' || key.includes('=') || typeof value !== 'string') throw new UsageError({ attempted: 'read the option "env"', detail: `found ${JSON.stringify({ [key]: value })}, allowed: names without "=" and text values` });
    return `${key}=${value}`;
  });
}

/** Milliseconds. @throws UsageError */
export function durationMs(value: number | string, option: string): number {
  const ms = typeof value === 'number' ? value : parseDurationMs(value, option);
  if (Number.isNaN(ms) || ms < 0 || ms > TIMEOUT_MS_MAX) throw new UsageError({ attempted: `read ${option}`, detail: `found ${JSON.stringify(value)}, allowed: milliseconds from 0 to ${String(TIMEOUT_MS_MAX)}, or a text such as "5s"` });
  return ms;
}

/** Bytes. @throws UsageError */
export function outputMax({ maxOutput }: Pick<Limits, 'maxOutput'>): number {
  if (maxOutput === undefined) return OUTPUT_MAX;
  const bytes = typeof maxOutput === 'number' ? maxOutput : parseSize(maxOutput, 'maxOutput');
  if (!(Number.isSafeInteger(bytes) && bytes > 0)) throw new UsageError({ attempted: 'read maxOutput', detail: `found ${JSON.stringify(maxOutput)}, allowed: bytes from 1, or a text such as "64m"` });
  return bytes;
}

/** Before anything is launched. @throws UsageError; the reason of a signal that is aborted already */
export function checkLimits(call: Limits): void {
  if (call.timeout !== undefined) durationMs(call.timeout, 'timeout');
  outputMax(call);
  call.signal?.throwIfAborted();
}
