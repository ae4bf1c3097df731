/** Where a registry is spoken to. Plain HTTP only for this machine, or where it was asked for. */

export interface Endpoint {
  /** As errors call it, and as credentials are kept: `docker.io`. */
  readonly registry: string;
  /** `https://registry-1.docker.io`, without a slash at its end. */
  readonly origin: string;
  /** Tried where the first is no TLS. */
  readonly plainOrigin: string | undefined;
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

const HUB_HOST = 'registry-1.docker.io';

export function endpointOf(registry: string, plainHttp: readonly string[]): Endpoint {
  const host = registry === 'docker.io' ? HUB_HOST : registry;
  const hostname = new URL(`http://${host}`).hostname;
  const plain = isLoopback(hostname) || plainHttp.includes(registry);
  return { registry, origin: `https://${host}`, plainOrigin: plain ? `http://${host}` : undefined };
}

/** A mirror is a host, or an address: `http://` asks for plain HTTP. */
export function mirrorEndpoint(mirror: string, plainHttp: readonly string[]): Endpoint {
  const match = /^(https?):\/\/([^/]+)\/?$/.exec(mirror);
  if (match === null) return endpointOf(mirror, plainHttp);
  const [, scheme = 'https', host = ''] = match;
  return { registry: host, origin: `${scheme}://${host}`, plainOrigin: undefined };
}
