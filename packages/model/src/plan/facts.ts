/**
 * What the plan compiler must know of the kernel under it. Detecting is the System's work (`System.facts`);
 * the same spec and facts always give the same plan. Plain JSON.
 */

export type CgroupLayout = 'v1' | 'v2' | 'hybrid' | 'none';

export interface CgroupHierarchy {
  /** Where it is mounted: `/sys/fs/cgroup/memory`. */
  readonly mountpoint: string;
  readonly version: 1 | 2;
  /** v1: the controllers mounted here (`name=systemd` for a named one). v2: those in its root's cgroup.controllers. */
  readonly controllers: readonly string[];
  /** Our own cgroup in it, from /proc/self/cgroup: `/` or `/user.slice/…`. */
  readonly own: string;
  /** The cgroup below which a container's cgroup may be made (absolute inside the hierarchy), or absent with `refusal`. */
  readonly parent?: string;
  /** v2: controllers that `parent` can give to its children. */
  readonly delegated?: readonly string[];
  /** Why nothing can be made here: checked by trying. */
  readonly refusal?: string;
}

export interface IdRange {
  /** First id inside. */
  readonly start: number;
  readonly count: number;
}

export interface Facts {
  readonly architecture: 'x64' | 'arm64';
  /** `6.18.44`, as numbers. */
  readonly kernel: readonly [major: number, minor: number];
  /** Effective ids of the process that launches. */
  readonly uid: number;
  readonly gid: number;
  readonly username?: string;
  /** True when the launching process holds CAP_SYS_ADMIN in a namespace good for mounting and cgroups. Else a user namespace is needed. */
  readonly privileged: boolean;
  /** Names of the capabilities in our permitted and bounding sets. */
  readonly capabilities: readonly string[];
  /** Highest capability number the kernel knows (/proc/sys/kernel/cap_last_cap). */
  readonly lastCapability: number;
  readonly userNamespaces: { readonly usable: boolean; readonly refusal?: string; readonly hint?: string };
  /** Ranges of /etc/subuid and /etc/subgid, when newuidmap and newgidmap are installed setuid or with file capabilities. */
  readonly subuid: readonly IdRange[];
  readonly subgid: readonly IdRange[];
  readonly timeNamespaces: boolean;
  readonly overlay: {
    /** `lowerdir+`: fsconfig appends one layer a call (Linux 6.5); `mount`: only mount(2) option strings; `none`. */
    readonly api: 'lowerdir+' | 'mount' | 'none';
    readonly refusal?: string;
  };
  /** False where / is the initramfs root: pivot_root gives EINVAL there. */
  readonly pivotRoot: boolean;
  readonly cgroup: { readonly layout: CgroupLayout; readonly hierarchies: readonly CgroupHierarchy[] };
  readonly swap: boolean;
  readonly seccomp: { readonly filter: boolean; readonly libseccomp: string | undefined };
  readonly lsm: readonly string[];
  /** Hard limits of this process that setrlimit can't exceed without CAP_SYS_RESOURCE: `{ RLIMIT_NOFILE: 20000 }`. */
  readonly hardRlimits: Readonly<Record<string, number>>;
  readonly cpus: number;
}
