/** /etc/hosts, /etc/hostname and /etc/resolv.conf of a container: hosts(5), hostname(5), resolv.conf(5). */
import { readFileSync } from 'node:fs';
import { hostname as ownHostname } from 'node:os';
import { hostsFile, parseAddHost, parseDns, resolvConf, type RunOptions, type Spec } from '@tsc-box/model';

export interface EtcFiles {
  readonly hosts: string;
  readonly hostname: string;
  readonly 'resolv.conf': string;
}

export type EtcName = keyof EtcFiles;
export const ETC_NAMES: readonly EtcName[] = ['hosts', 'hostname', 'resolv.conf'];

/** With the host's network the host's own names hold too. @throws UsageError for a bad --add-host or --dns. */
export function planEtcFiles(spec: Spec, options: RunOptions, readHost: (path: string) => string | undefined = readQuietly): EtcFiles {
  const ownNetwork = spec.linux?.namespaces?.some(({ type }) => type === 'network') === true;
  const name = spec.hostname ?? ownHostname();
  const entries = (options.addHosts ?? []).map(parseAddHost);
  const host = ownNetwork ? undefined : readHost('/etc/hosts');
  return {
    hosts: host === undefined || !/^[^#]*\slocalhost(\s|$)/m.test(host) ? hostsFile(name, spec.domainname, entries) : `${endLine(host)}${entries.map(({ address, name: alias }) => `${address}\t${alias}\n`).join('')}`,
    hostname: `${name}\n`,
    'resolv.conf': resolvConf((options.dns ?? []).map(parseDns), readHost('/etc/resolv.conf'), ownNetwork),
  };
}

const endLine = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

function readQuietly(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
