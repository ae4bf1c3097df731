/** /etc/hosts, /etc/hostname and /etc/resolv.conf of a container: hosts(5), resolv.conf(5). */
import { UsageError } from '../errors/box-error.ts';

export interface HostEntry {
  readonly name: string;
  readonly address: string;
}

/**
 * `--add-host NAME:ADDRESS` (or `NAME=ADDRESS`), IPv6 in brackets or not.
 * @throws UsageError
 */
export function parseAddHost(text: string): HostEntry {
  const match = /^([A-Za-z0-9._-]+)[:=](.+)$/.exec(text);
  const address = (match?.[2] ?? '').replace(/^\[(.*)\]$/, '$1');
  if (match === null || !isAddress(address)) throw new UsageError({ attempted: 'read --add-host', detail: `found "${text}", allowed: NAME:ADDRESS with an IPv4 or IPv6 address` });
  return { name: match[1] ?? '', address };
}

/**
 * `--dns ADDRESS`.
 * @throws UsageError
 */
export function parseDns(text: string): string {
  if (!isAddress(text)) throw new UsageError({ attempted: 'read --dns', detail: `found "${text}", allowed: an IPv4 or IPv6 address` });
  return text;
}

function isAddress(text: string): boolean {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (v4 !== null) return v4.slice(1).every((part) => Number(part) <= 255);
  return /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:%[a-zA-Z0-9._-]+)?$/.test(text) && text.includes(':') && text.length >= 2;
}

/** Always has localhost and ends in a newline; made from nothing, so that a host without the file does not matter. */
export function hostsFile(hostname: string | undefined, domainname: string | undefined, entries: readonly HostEntry[]): string {
  const lines = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', 'fe00::\tip6-localnet', 'ff00::\tip6-mcastprefix', 'ff02::1\tip6-allnodes', 'ff02::2\tip6-allrouters'];
  for (const { address, name } of entries) lines.push(`${address}\t${name}`);
  if (hostname !== undefined && hostname !== '') {
    const full = domainname === undefined || domainname === '' ? '' : `${hostname}.${domainname} `;
    lines.push(`127.0.1.1\t${full}${hostname}`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * With `--dns`, those servers and the host's other settings; else the host's file. `host` is its text, symlinks followed, undefined where there is none.
 * `ownNetwork`: a network namespace of the container's own, which can't reach a server on the host's loopback address.
 */
export function resolvConf(dns: readonly string[], host: string | undefined, ownNetwork: boolean): string {
  const lines = (host ?? '').split('\n').map((line) => line.trimEnd()).filter((line) => line !== '');
  const kept = lines.filter((line) => {
    if (!/^\s*nameserver\s/.test(line)) return true;
    return dns.length === 0 && !(ownNetwork && /^\s*nameserver\s+(?:127\.|::1\b)/.test(line));
  });
  const all = [...dns.map((server) => `nameserver ${server}`), ...kept];
  return all.length === 0 ? '' : `${all.join('\n')}\n`;
}
