/** /etc/hosts, /etc/hostname and /etc/resolv.conf of a container. hosts(5), hostname(5), resolv.conf(5). */
import { readFileSync } from 'node:fs';
import { hostname as ownHostname } from 'node:os';
import { UsageError, type RunOptions, type Spec } from '@tsc-box/model';

export interface EtcFiles {
  readonly hosts: string;
  readonly hostname: string;
  readonly 'resolv.conf': string;
}

export type EtcName = keyof EtcFiles;
export const ETC_NAMES: readonly EtcName[] = ['hosts', 'hostname', 'resolv.conf'];

const LOOPBACK = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n';

/** @throws UsageError for a bad --add-host or --dns. */
export function planEtcFiles(spec: Spec, options: RunOptions): EtcFiles {
  const ownNetwork = spec.linux?.namespaces?.some(({ type }) => type === 'network') === true;
  const name = spec.hostname ?? ownHostname();
  const extra = (options.addHosts ?? []).map((text) => hostLine(text, ownNetwork)).join('');
  return {
    hosts: `${hostsBase(ownNetwork, name, spec.domainname)}${extra}`,
    hostname: `${name}\n`,
    'resolv.conf': options.dns === undefined || options.dns.length === 0 ? endLine(readQuietly('/etc/resolv.conf')) : options.dns.map(nameserver).join(''),
  };
}

/** With the host's network the host's names hold; else the container's own name must lead somewhere, or sudo and others wait for DNS. */
function hostsBase(ownNetwork: boolean, name: string, domain: string | undefined): string {
  if (!ownNetwork) {
    const host = endLine(readQuietly('/etc/hosts'));
    return /^[^#]*\slocalhost(\s|$)/m.test(host) ? host : `${LOOPBACK}${host}`;
  }
  const names = domain === undefined || name.includes('.') ? name : `${name}.${domain} ${name}`;
  return `${LOOPBACK}127.0.1.1\t${names}\n`;
}

/** `NAME:ADDRESS` or `NAME=ADDRESS`, the address perhaps in brackets. */
function hostLine(text: string, ownNetwork: boolean): string {
  const [, name = '', address = ''] = /^([^:=\s]+)[:=]\[?([^\]\s]+)\]?$/.exec(text) ?? [];
  const value = address === 'host-gateway' && !ownNetwork ? '127.0.0.1' : address;
  if (isAddress(value)) return `${value}\t${name}\n`;
  throw new UsageError({
    attempted: 'read --add-host', detail: `found ${JSON.stringify(text)}, allowed: NAME:ADDRESS with an IPv4 or IPv6 address`,
    hint: value === 'host-gateway' ? 'host-gateway leads to the host only with --network host: --network none has no way out' : undefined,
  });
}

function nameserver(address: string): string {
  if (isAddress(address)) return `nameserver ${address}\n`;
  throw new UsageError({ attempted: 'read --dns', detail: `found ${JSON.stringify(address)}, allowed: an IPv4 or IPv6 address` });
}

const IPV4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

/** node:net would be loaded for this alone. IPv6: the URL parser knows it; a zone may follow. */
function isAddress(text: string): boolean {
  if (IPV4.test(text)) return true;
  return text.includes(':') && URL.canParse(`http://[${text.replace(/%[\w.-]+$/, '')}]/`);
}

const endLine = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
