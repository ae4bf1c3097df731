/** libseccomp.so.2 through koffi, loaded at the first profile. Source: seccomp_init(3), seccomp_rule_add(3), seccomp_export_bpf(3), seccomp.h. */
import type * as Koffi from 'koffi';
import { koffi } from '../ffi/koffi.unsafe.ts';
import { UnsupportedError } from '@tsc-box/model';

/** An opaque scmp_filter_ctx. */
export interface FilterContext {
  readonly __filterContext: never;
}

/** struct scmp_arg_cmp. */
export interface ArgumentComparison {
  readonly arg: number;
  readonly op: number;
  readonly datum_a: bigint;
  readonly datum_b: bigint;
}

export interface Libseccomp {
  readonly init: (action: number) => FilterContext | null;
  readonly release: (context: FilterContext) => void;
  readonly setAttribute: (context: FilterContext, attribute: number, value: number) => number;
  /** 0 for a name it does not know. */
  readonly resolveArchitecture: (name: string) => number;
  readonly addArchitecture: (context: FilterContext, token: number) => number;
  /** -1 for a name it does not know; other negative numbers are calls of other architectures. */
  readonly resolveSyscall: (name: string) => number;
  readonly addRule: (context: FilterContext, action: number, syscall: number, count: number, comparisons: readonly ArgumentComparison[]) => number;
  readonly exportBpf: (context: FilterContext, fd: number) => number;
  /** An anonymous file in memory (memfd_create(2)). */
  readonly memoryFile: (name: string, flags: number) => number;
}

let loaded: Libseccomp | undefined;

export function libseccomp(path: string): Libseccomp {
  if (loaded !== undefined) return loaded;
  const ffi = koffi();
  try {
    loaded = bind(ffi, ffi.load(path));
    return loaded;
  } catch (error) {
    throw new UnsupportedError({ attempted: `load "${path}"`, reason: error instanceof Error ? error.message : String(error), path, hint: 'install libseccomp 2 for this architecture, or run with --security-opt seccomp=unconfined', cause: error });
  }
}

function bind(ffi: typeof Koffi, library: Koffi.LibraryHandle): Libseccomp {
  const comparison = ffi.struct({ arg: 'uint', op: 'int', datum_a: 'uint64_t', datum_b: 'uint64_t' });
  const own = ffi.load(null);
  return {
    init: library.func('void *seccomp_init(uint32_t action)'),
    release: library.func('void seccomp_release(void *context)'),
    setAttribute: library.func('int seccomp_attr_set(void *context, int attribute, uint32_t value)'),
    resolveArchitecture: library.func('uint32_t seccomp_arch_resolve_name(const char *name)'),
    addArchitecture: library.func('int seccomp_arch_add(void *context, uint32_t token)'),
    resolveSyscall: library.func('int seccomp_syscall_resolve_name(const char *name)'),
    addRule: library.func('seccomp_rule_add_array', 'int', ['void *', 'uint32_t', 'int', 'uint', ffi.pointer(comparison)]),
    exportBpf: library.func('int seccomp_export_bpf(void *context, int fd)'),
    memoryFile: own.func('int memfd_create(const char *name, uint flags)'),
  };
}
