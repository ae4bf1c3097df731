/** What a docker user types, what has to be looked up for it, and what comes out: the input and output of `specFromOptions`. */
import { UsageError } from '../errors/box-error.ts';
import type { Facts } from '../plan/facts.ts';
import type { Spec, SpecDevice } from '../spec/spec.ts';

/** Raw flag values, as a docker user types them. Every field is optional; names are those of the flags. */
export interface RunOptions {
  readonly interactive?: boolean;
  readonly terminal?: boolean;
  readonly readOnly?: boolean;
  readonly init?: boolean;
  readonly privileged?: boolean;
  readonly noPivot?: boolean;
  readonly name?: string;
  readonly workdir?: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly entrypoint?: string;
  readonly memory?: string;
  readonly memorySwap?: string;
  readonly memoryReservation?: string;
  readonly cpus?: string;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly cpuShares?: string;
  readonly cpuPeriod?: string;
  readonly cpuQuota?: string;
  readonly pidsLimit?: string;
  readonly network?: string;
  readonly userns?: string;
  readonly uts?: string;
  readonly ipc?: string;
  readonly pid?: string;
  readonly cgroupns?: string;
  /** `private`: a time namespace. `host`, the default: none. */
  readonly time?: string;
  readonly stopSignal?: string;
  readonly shmSize?: string;
  readonly oomScoreAdj?: string;
  readonly umask?: string;
  readonly cgroupParent?: string;
  readonly env?: readonly string[];
  /** Paths. */
  readonly envFiles?: readonly string[];
  readonly volumes?: readonly string[];
  readonly mounts?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly ulimits?: readonly string[];
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly securityOpt?: readonly string[];
  /** Absolute; an empty directory or file is seen in their place. */
  readonly hiddenPaths?: readonly string[];
  /** Absolute; with all that is mounted below. */
  readonly readOnlyPaths?: readonly string[];
  readonly sysctls?: readonly string[];
  readonly devices?: readonly string[];
  readonly labels?: readonly string[];
  readonly groupAdd?: readonly string[];
  readonly addHosts?: readonly string[];
  readonly dns?: readonly string[];
}

/** What stat(2) says of a path of the host, links followed. */
export interface HostPath {
  readonly kind: 'file' | 'directory';
  readonly device?: { readonly type: 'c' | 'b'; readonly major: number; readonly minor: number; readonly mode: number; readonly uid: number; readonly gid: number };
}

export interface OptionContext {
  readonly id: string;
  readonly facts: Facts;
  readonly hostEnv: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Where the root comes from: the machine's own, `--rootfs`, or an image's layers. */
  readonly image: 'host' | 'rootfs' | 'layers';
  /** Text of a file of the host, such as an env file or a seccomp profile; undefined where there is none. */
  readHostFile(path: string): string | undefined;
  /** Text of a file of the container's own root, with symlinks resolved inside it; undefined where there is none. */
  readRootFile(path: string): string | undefined;
  hostPath(path: string): HostPath | undefined;
  /** Every device node of the host's /dev, which `--privileged` shows. Absent: none can be listed, and a warning says so. */
  hostDevices?(): readonly SpecDevice[];
}

export interface SpecResult {
  readonly spec: Spec;
  readonly warnings: readonly string[];
  /** Number of the signal that asks the container to stop. */
  readonly stopSignal: number;
  readonly labels: Readonly<Record<string, string>>;
  /** What each bind mount's source is: for `compile`. */
  readonly sources: Readonly<Record<string, 'file' | 'directory'>>;
  /** Sources of `-v` that are not there: docker makes them, so the engine does. */
  readonly createDirectories: readonly string[];
  readonly init: boolean;
  /** The working directory is the image's own: it is made where the image lacks it. */
  readonly createCwd: boolean;
}

/** Every key, so that one that is not known is refused and never passed over. `satisfies` keeps the list whole. */
const KEYS = {
  interactive: 'boolean', terminal: 'boolean', readOnly: 'boolean', init: 'boolean', privileged: 'boolean', noPivot: 'boolean',
  name: 'string', workdir: 'string', user: 'string', hostname: 'string', domainname: 'string', entrypoint: 'string', memory: 'string', memorySwap: 'string', memoryReservation: 'string',
  cpus: 'string', cpusetCpus: 'string', cpusetMems: 'string', cpuShares: 'string', cpuPeriod: 'string', cpuQuota: 'string', pidsLimit: 'string', network: 'string', userns: 'string', uts: 'string',
  ipc: 'string', pid: 'string', cgroupns: 'string', time: 'string', stopSignal: 'string', shmSize: 'string', oomScoreAdj: 'string', umask: 'string', cgroupParent: 'string',
  env: 'list', envFiles: 'list', volumes: 'list', mounts: 'list', tmpfs: 'list', ulimits: 'list', capAdd: 'list', capDrop: 'list', securityOpt: 'list', sysctls: 'list', devices: 'list', labels: 'list',
  groupAdd: 'list', addHosts: 'list', dns: 'list', hiddenPaths: 'list', readOnlyPaths: 'list',
} as const satisfies Record<keyof RunOptions, 'boolean' | 'string' | 'list'>;

/**
 * Refuses unknown keys and wrong types, which a caller in plain JavaScript can pass.
 * @throws UsageError
 */
export function checkRunOptions(options: RunOptions): void {
  const kinds: Readonly<Record<string, string>> = KEYS;
  for (const [key, value] of Object.entries<unknown>({ ...options })) {
    const kind = Object.hasOwn(kinds, key) ? kinds[key] : undefined;
    if (kind === undefined) throw new UsageError({ attempted: 'read the options', detail: `found the option "${key}", allowed: ${Object.keys(KEYS).join(', ')}` });
    const right = value === undefined || (kind === 'list' ? Array.isArray(value) && value.every((item) => typeof item === 'string') : typeof value === kind);
    if (!right) throw new UsageError({ attempted: `read the option "${key}"`, detail: `found ${JSON.stringify(value)}, allowed: a ${kind === 'list' ? 'list of strings' : kind}` });
    const texts = Array.isArray(value) ? value : [value];
    // The kernel ends strings at NUL: what follows would be checked but not used.
    if (texts.some((item) => typeof item === 'string' && item.includes('\0'))) throw new UsageError({ attempted: `read the option "${key}"`, detail: 'found a NUL byte, allowed: text without it' });
  }
}

/**
 * A container's name, as docker has it.
 * @throws UsageError
 */
export function checkContainerName(name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}$/.test(name)) return name;
  throw new UsageError({ attempted: 'read --name', detail: `found "${name}", allowed: 2 to 255 letters, digits, "_", "." and "-", a letter or digit first` });
}
