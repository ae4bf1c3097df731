/** `--restart`: docker-run(1). */
import { UsageError } from '@tsc-box/model';
import type { RestartPolicy } from '@tsc-box/engine';

/** @throws UsageError */
export function parseRestart(text: string): RestartPolicy {
  const [name = '', retries, ...more] = text.split(':');
  const refuse = (detail: string): never => {
    throw new UsageError({ attempted: 'read --restart', detail: `found "${text}", ${detail}` });
  };
  if (name !== 'no' && name !== 'on-failure' && name !== 'always' && name !== 'unless-stopped') return refuse('allowed: no, on-failure[:MAX], always, unless-stopped');
  if (retries === undefined) return { name };
  if (name !== 'on-failure') return refuse('a number of times is allowed for on-failure only');
  if (more.length > 0 || !/^[1-9]\d{0,8}$/.test(retries)) return refuse('allowed after on-failure: a whole number from 1');
  return { name, retriesMax: Number(retries) };
}
