/** `--sysctl`: only what a namespace of the container holds; anything else would change the host. sysctl(8), ipc_namespaces(7). */
import { UsageError } from '../errors/box-error.ts';
import { IPC_SYSCTLS, sysctlNamespace } from '../spec/sysctls.ts';
import type { NamespaceModes } from './namespaces.ts';

/**
 * @throws UsageError for a key that is not of a namespace, or of one that is the host's.
 */
export function parseSysctls(texts: readonly string[], modes: NamespaceModes): Record<string, string> {
  const result: Record<string, string> = {};
  for (const text of texts) {
    const equals = text.indexOf('=');
    const key = text.slice(0, Math.max(equals, 0)).replaceAll('/', '.');
    if (!/^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_@-]+)+$/.test(key)) throw new UsageError({ attempted: 'read --sysctl', detail: `found "${text}", allowed: KEY=VALUE, such as net.core.somaxconn=1024` });
    const [namespace, mode, option] = ownerOf(key, modes);
    if (namespace === undefined) throw new UsageError({ attempted: `read --sysctl ${key}`, detail: 'found a setting of the whole machine, allowed: net.*, fs.mqueue.*, kernel.domainname, ' + [...IPC_SYSCTLS].join(', ') });
    if (mode === 'host') throw new UsageError({ attempted: `read --sysctl ${key}`, detail: `found the host's ${namespace} namespace, allowed: a container with its own`, hint: `leave out ${option} host` });
    // Interface names may hold dots: written with slashes they reach the right file.
    result[text.slice(0, equals).includes('/') ? text.slice(0, equals) : key] = text.slice(equals + 1);
  }
  return result;
}

function ownerOf(key: string, modes: NamespaceModes): [namespace: string | undefined, mode: string, option: string] {
  const namespace = sysctlNamespace(key);
  return namespace === undefined ? [undefined, '', ''] : [namespace, modes[namespace].kind, `--${namespace}`];
}
