/**
 * A seccomp profile file as docker's `--security-opt seccomp=FILE` takes it: the OCI form, or docker's with archMap,
 * and rules that hold only with certain capabilities, architectures or kernels.
 */
import { SpecError } from '../errors/box-error.ts';
import { list, object, string, text } from './check.ts';
import { seccompAction, seccompArchitecture, seccompArguments, seccompErrno, seccompFlags } from './shape.ts';
import type { SpecSeccomp, SpecSyscall } from './spec.ts';

interface Condition {
  readonly caps?: readonly string[];
  readonly arches?: readonly string[];
  /** `4.8` */
  readonly minKernel?: string;
}

interface FileSyscall {
  readonly name?: string;
  readonly names?: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: NonNullable<SpecSyscall['args']>;
  readonly includes?: Condition;
  readonly excludes?: Condition;
}

interface SeccompFile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] }[];
  readonly flags?: readonly string[];
  readonly syscalls?: readonly FileSyscall[];
}

export interface SeccompConditions {
  readonly capabilities: readonly string[];
  readonly architecture: 'x64' | 'arm64';
  readonly kernel: readonly [major: number, minor: number];
}

const DOCKER_ARCH = { x64: 'amd64', arm64: 'arm64' } as const;
const NATIVE = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' } as const;

const condition = object<Condition>({ caps: list(string), arches: list(string), minKernel: string });
const shape = object<SeccompFile>({
  defaultAction: seccompAction, defaultErrnoRet: seccompErrno, architectures: list(seccompArchitecture),
  archMap: list(object<NonNullable<SeccompFile['archMap']>[number]>({ architecture: seccompArchitecture, subArchitectures: list(seccompArchitecture) }, ['architecture'])),
  flags: seccompFlags,
  syscalls: list(object<FileSyscall>({ name: text, names: list(text), action: seccompAction, errnoRet: seccompErrno, args: seccompArguments, includes: condition, excludes: condition }, ['action'])),
}, ['defaultAction']);

/**
 * The profile with its conditions resolved. `value` is the parsed JSON.
 * @throws SpecError with the path of the wrong field, below `linux.seccomp`.
 */
export function resolveSeccompFile(value: unknown, given: SeccompConditions): SpecSeccomp {
  const file = shape(value, 'linux.seccomp');
  if (file.archMap !== undefined && (file.architectures ?? []).length > 0) {
    throw new SpecError({ pointer: 'linux.seccomp', detail: 'found architectures and archMap, allowed: one of them' });
  }
  const entry = file.archMap?.find((candidate) => candidate.architecture === NATIVE[given.architecture]);
  const architectures = file.archMap === undefined ? file.architectures : entry === undefined ? [] : [entry.architecture, ...(entry.subArchitectures ?? [])];
  const syscalls = (file.syscalls ?? []).flatMap((syscall, index) => (applies(syscall, given, `linux.seccomp.syscalls[${index}]`) ? [toSpec(syscall, `linux.seccomp.syscalls[${index}]`)] : []));
  return {
    defaultAction: file.defaultAction, syscalls,
    ...(file.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: file.defaultErrnoRet }),
    ...(architectures === undefined ? {} : { architectures }),
    ...(file.flags === undefined ? {} : { flags: file.flags }),
  };
}

function toSpec(syscall: FileSyscall, pointer: string): SpecSyscall {
  const names = syscall.name === undefined ? syscall.names : [syscall.name];
  if (names === undefined || (syscall.name !== undefined && (syscall.names ?? []).length > 0)) throw new SpecError({ pointer: `${pointer}.names`, detail: 'found not exactly one of name and names, allowed: "names": [...]' });
  return { names, action: syscall.action, ...(syscall.errnoRet === undefined ? {} : { errnoRet: syscall.errnoRet }), ...(syscall.args === undefined ? {} : { args: syscall.args }) };
}

/** Includes hold together (every capability, one of the architectures, at least the kernel); any exclude takes the rule away. */
function applies({ includes, excludes }: FileSyscall, given: SeccompConditions, pointer: string): boolean {
  const arch = DOCKER_ARCH[given.architecture];
  const has = (name: string): boolean => given.capabilities.includes(name);
  if (includes?.caps?.every(has) === false || excludes?.caps?.some(has) === true) return false;
  if ((includes?.arches ?? []).length > 0 && includes?.arches?.includes(arch) !== true) return false;
  if (excludes?.arches?.includes(arch) === true) return false;
  if (includes?.minKernel !== undefined && !atLeast(given.kernel, includes.minKernel, `${pointer}.includes.minKernel`)) return false;
  return !(excludes?.minKernel !== undefined && atLeast(given.kernel, excludes.minKernel, `${pointer}.excludes.minKernel`));
}

function atLeast(kernel: readonly [number, number], wanted: string, pointer: string): boolean {
  const match = /^(\d{1,4})\.(\d{1,4})$/.exec(wanted);
  if (match === null) throw new SpecError({ pointer, detail: `found "${wanted}", allowed: a version such as 4.8` });
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
}
