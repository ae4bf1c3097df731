/** Which namespace holds a kernel setting: what none holds is the whole machine's. sysctl(8), ipc_namespaces(7), network_namespaces(7). */
import type { NamespaceType } from './spec.ts';

/** Settings of System V IPC. */
export const IPC_SYSCTLS: ReadonlySet<string> = new Set(['kernel.msgmax', 'kernel.msgmnb', 'kernel.msgmni', 'kernel.sem', 'kernel.shmall', 'kernel.shmmax', 'kernel.shmmni', 'kernel.shm_rmid_forced']);

/** `key` with dots. undefined: no namespace. The host name is not among them: it has a field of its own. */
export function sysctlNamespace(key: string): Extract<NamespaceType, 'network' | 'ipc' | 'uts'> | undefined {
  if (key.startsWith('net.')) return 'network';
  if (IPC_SYSCTLS.has(key) || key.startsWith('fs.mqueue.')) return 'ipc';
  return key === 'kernel.domainname' ? 'uts' : undefined;
}
