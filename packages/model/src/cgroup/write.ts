/** One write into a file of a container's cgroup directory. Source: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/*.rst. */
export interface CgroupWrite {
  /** `memory`, `cpu`, `cpuset`, `pids`, `blkio` (v1) or `io` (v2), `devices`, `hugetlb`, … */
  readonly controller: string;
  /** File name inside the cgroup directory: `memory.max`. */
  readonly file: string;
  readonly data: string;
  readonly why: string;
  /** True where a kernel without the file already behaves as asked. */
  readonly ignoreMissing?: boolean;
  /** Written instead when `file` does not exist. */
  readonly orElse?: { readonly file: string; readonly data: string };
}

export type HierarchyVersion = 1 | 2;

export interface CgroupWriteFacts {
  /** The host has swap, or accounts for it. */
  readonly swap: boolean;
  /** v1 updates: what memory.limit_in_bytes holds now. Absent: a new cgroup without a limit. */
  readonly currentMemoryLimit?: number;
}

/** `max` for a negative number, as cgroup v2 spells "no limit" (cgroup-v2.rst, "Conventions"). */
export function maxOr(value: number): string {
  return value < 0 ? 'max' : String(value);
}
