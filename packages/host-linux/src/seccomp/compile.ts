/**
 * A seccomp profile as the classic BPF program that seccomp(2) SECCOMP_SET_MODE_FILTER loads: an array of struct sock_filter.
 * Source: Documentation/userspace-api/seccomp_filter.rst; linux/filter.h. libseccomp writes the program.
 */
import { closeSync, fstatSync, readSync, statSync } from 'node:fs';
import { SyscallError, UnsupportedError, type Facts, type SpecSeccomp } from '@tsc-box/model';
import { readCached, writeCached } from './cache.ts';
import { libseccomp, type FilterContext, type Libseccomp } from './libseccomp.unsafe.ts';
import { seccompRules, type RuleList } from './rules.ts';

const SCMP_FLTATR_CTL_OPTIMIZE = 8;
const BINARY_TREE = 2;
const MFD_CLOEXEC = 1;
const EEXIST = -17;
/** struct sock_filter: u16 code, u8 jt, u8 jf, u32 k. */
const INSTRUCTION_BYTES = 8;
const MAX_INSTRUCTIONS = 4096;
/** Increase it when the same profile compiles to another program than before. */
const CACHE_VERSION = 'tsc-box seccomp 1';

/** The program of a profile, by libseccomp. @throws UnsupportedError where the kernel or the library lacks what it needs, SyscallError where libseccomp refuses a rule. */
export function compileSeccomp(profile: SpecSeccomp, facts: Facts): Uint8Array {
  const path = requireSeccomp(facts);
  const list = seccompRules(profile);
  const library = libseccomp(path);
  const context = library.init(list.defaultAction);
  if (context === null) throw failure('seccomp_init', `start a seccomp filter with default action ${profile.defaultAction}`, -22);
  try {
    // Before libseccomp 2.5 there is no such attribute: the filter is then a long chain, and as right.
    library.setAttribute(context, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);
    addArchitectures(library, context, list);
    addRules(library, context, list);
    return exportProgram(library, context);
  } finally {
    library.release(context);
  }
}

function requireSeccomp(facts: Facts): string {
  const attempted = 'compile the seccomp profile';
  const hint = 'run with --security-opt seccomp=unconfined to go without a profile';
  if (!facts.seccomp.filter) throw new UnsupportedError({ attempted, reason: 'the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)', hint });
  if (facts.seccomp.libseccomp === undefined) throw new UnsupportedError({ attempted, reason: 'libseccomp.so.2 is not installed', hint: `install it (Debian: libseccomp2; Fedora, Alpine: libseccomp); or ${hint}` });
  return facts.seccomp.libseccomp;
}

/** The native architecture is there from the start. Names this libseccomp does not know are skipped. */
function addArchitectures(library: Libseccomp, context: FilterContext, { architectures }: RuleList): void {
  for (const name of architectures) {
    const token = library.resolveArchitecture(name);
    if (token === 0) continue;
    const result = library.addArchitecture(context, token);
    if (result < 0 && result !== EEXIST) throw failure('seccomp_arch_add', `add architecture ${name} to the seccomp filter`, result);
  }
}

/** Calls that this libseccomp does not know are skipped: a profile names those of many kernels. */
function addRules(library: Libseccomp, context: FilterContext, { rules }: RuleList): void {
  const numbers = new Map<string, number>();
  for (const { name, action, comparisons } of rules) {
    let number = numbers.get(name);
    if (number === undefined) numbers.set(name, (number = library.resolveSyscall(name)));
    if (number === -1) continue;
    const result = library.addRule(context, action, number, comparisons.length, comparisons);
    if (result < 0 && result !== EEXIST) throw failure('seccomp_rule_add_array', `add the rule for ${name} to the seccomp filter`, result);
  }
}

function exportProgram(library: Libseccomp, context: FilterContext): Uint8Array {
  const fd = library.memoryFile('tsc-box-seccomp', MFD_CLOEXEC);
  if (fd < 0) throw new SyscallError({ attempted: 'make a memory file for the seccomp program', syscall: 'memfd_create' });
  try {
    const result = library.exportBpf(context, fd);
    if (result < 0) throw failure('seccomp_export_bpf', 'write the seccomp program', result);
    const program = new Uint8Array(fstatSync(fd).size);
    readSync(fd, program, 0, program.length, 0);
    checkLength(program.length);
    return program;
  } finally {
    closeSync(fd);
  }
}

function checkLength(bytes: number): void {
  if (isProgramLength(bytes)) return;
  throw new UnsupportedError({ attempted: 'compile the seccomp profile', reason: `it has ${String(bytes / INSTRUCTION_BYTES)} instructions, the kernel takes 1 to ${String(MAX_INSTRUCTIONS)}`, hint: 'name fewer architectures or fewer argument conditions' });
}

const isProgramLength = (bytes: number): boolean => bytes > 0 && bytes % INSTRUCTION_BYTES === 0 && bytes / INSTRUCTION_BYTES <= MAX_INSTRUCTIONS;

/** `code` is libseccomp's negative errno. */
function failure(call: string, attempted: string, code: number): SyscallError {
  const names: Readonly<Record<number, string>> = { [-12]: 'ENOMEM', [-13]: 'EACCES', [-14]: 'EFAULT', [-17]: 'EEXIST', [-22]: 'EINVAL', [-33]: 'EDOM', [-95]: 'EOPNOTSUPP', [-125]: 'ECANCELED' };
  return new SyscallError({ attempted, syscall: call, errno: names[code] ?? String(-code), reason: 'libseccomp refused it', hint: 'check this entry of linux.seccomp; an older libseccomp may not know the action' });
}

const compiled = new WeakMap<SpecSeccomp, Uint8Array>();

/**
 * The program of a profile: of this process when the same object was asked for before, else from `cacheDir` when one is given and it was
 * compiled before. The caches only save time: any trouble with the one on disk is passed over.
 */
export function seccompProgram(profile: SpecSeccomp, facts: Facts, cacheDir: string | undefined): Uint8Array {
  const library = requireSeccomp(facts);
  let program = compiled.get(profile);
  if (program === undefined) {
    program = cacheDir === undefined ? compileSeccomp(profile, facts) : throughDisk(profile, facts, library, cacheDir);
    compiled.set(profile, program);
  }
  return program;
}

function throughDisk(profile: SpecSeccomp, facts: Facts, library: string, cacheDir: string): Uint8Array {
  const stat = statSync(library, { throwIfNoEntry: false });
  const key = JSON.stringify([CACHE_VERSION, facts.architecture, library, stat?.size, stat?.mtimeMs, profile]);
  const found = readCached(cacheDir, key);
  if (found !== undefined && isProgramLength(found.length)) return found;
  const program = compileSeccomp(profile, facts);
  writeCached(cacheDir, key, program);
  return program;
}
