import { SpecError, UnsupportedError } from '../../errors/box-error.ts';

/** config-linux.md, "Cgroups Path": absolute, or relative to a place that the runtime chooses. */
export function cgroupPath(given: string): string {
  const found = `found ${JSON.stringify(given)}`;
  if (/^[^/]*:[^/]*:[^/]*$/.test(given)) throw new UnsupportedError({ attempted: 'place the container by systemd (slice:prefix:name)', detail: found, hint: 'give linux.cgroupsPath as an absolute path' });
  const parts = given.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.length === 0 || parts.includes('..')) throw new SpecError({ pointer: 'linux.cgroupsPath', detail: `${found}, allowed: a path below the root of the cgroups, without ".."` });
  return `${given.startsWith('/') ? '' : '/tsc-box'}/${parts.join('/')}`;
}
