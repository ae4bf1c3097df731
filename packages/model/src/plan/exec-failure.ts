/** Why execve(2) failed, told from what the child saw of each candidate. execve(2), ERRORS; elf(5); `#!` of execve(2), "Interpreter scripts". */
import { SyscallError } from '../errors/box-error.ts';

export interface Candidate {
  readonly path: string;
  /** st_mode; 0 when it was not there. */
  readonly mode: number;
  /** First bytes, as far as they could be read. */
  readonly head: Uint8Array;
}

const TYPES: Readonly<Record<number, string>> = { 0o040000: 'a directory', 0o010000: 'a named pipe', 0o140000: 'a socket', 0o020000: 'a character device', 0o060000: 'a block device' };
const MACHINES: Readonly<Record<number, string>> = { 3: 'i386', 40: 'arm', 62: 'x86-64', 183: 'arm64', 243: 'RISC-V', 21: 'ppc64', 22: 's390x' };

export interface ExecFailure {
  readonly command: string;
  readonly candidates: readonly Candidate[];
  readonly errno: string;
  readonly architecture: 'x64' | 'arm64';
}

/** 127 when nothing of that name is there, 126 when it is there and can't be executed: as in the shells and docker. */
export function execError(failure: ExecFailure): SyscallError {
  const { command, candidates, errno } = failure;
  const found = candidates.find((candidate) => candidate.mode !== 0);
  const base = { step: 'exec', syscall: 'execve', args: { candidates: candidates.map((candidate) => candidate.path) } };
  if (found === undefined && errno === 'EACCES') {
    return new SyscallError({ ...base, code: 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', attempted: `execute ${JSON.stringify(command)}`, errno, path: command, reason: 'a directory on the way to it can not be entered by this user', hint: 'check the modes of the image, or run as another user: -u' });
  }
  if (found === undefined && errno === 'ELOOP') {
    return new SyscallError({ ...base, code: 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', attempted: `execute ${JSON.stringify(command)}`, errno, path: command, reason: 'too many symbolic links on the way to it: they may point at each other' });
  }
  if (found === undefined) {
    const where = command === '' ? 'the command is an empty string' : command.includes('/') ? 'no such file in the container' : `not found in PATH of the container: ${candidates.map((candidate) => candidate.path.slice(0, -command.length - 1) || '/').join(':')}`;
    return new SyscallError({ ...base, code: 'ERR_TSCBOX_COMMAND_NOT_FOUND', attempted: `execute ${JSON.stringify(command)}`, errno: 'ENOENT', path: command, reason: where });
  }
  const cause = explain(found, errno, failure);
  return new SyscallError({ ...base, code: 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', attempted: `execute ${JSON.stringify(found.path)}`, errno: cause.errno ?? errno, path: found.path, reason: cause.reason, hint: cause.hint });
}

interface Explanation {
  readonly errno?: string;
  readonly reason?: string;
  readonly hint?: string;
}

function explain(found: Candidate, errno: string, { architecture }: ExecFailure): Explanation {
  const type = TYPES[found.mode & 0o170000];
  if (type !== undefined) return { reason: `it is ${type}` };
  const interpreter = interpreterOf(found.head);
  switch (errno) {
    case 'EACCES':
      if ((found.mode & 0o111) === 0) return { reason: 'it has no execute permission', hint: 'chmod +x it in the image' };
      return { reason: 'this user may not execute it, or the file system is mounted noexec, or its interpreter may not be executed' };
    case 'ENOENT':
      return interpreter === undefined ? { reason: 'a file it needs does not exist' } : { reason: `its interpreter ${JSON.stringify(interpreter)} does not exist in the container`, hint: 'a script needs its #! program, a dynamic program its loader, in the image' };
    case 'ENOEXEC':
      return { reason: formatReason(found.head, architecture) };
    case 'E2BIG':
      return { reason: 'arguments and environment are too large' };
    case 'ETXTBSY':
      return { reason: 'it is open for writing' };
    case 'EPERM':
      return { reason: 'the file system is mounted nosuid, or a file capability is not in the bounding set' };
    default:
      return {};
  }
}

function formatReason(head: Uint8Array, architecture: 'x64' | 'arm64'): string {
  if (head.every((byte) => byte === 0)) return 'the file is empty';
  const elf = head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
  if (!elf) return 'exec format error: neither a program of this machine nor a script that begins with #!';
  const machine = (head[18] ?? 0) | ((head[19] ?? 0) << 8);
  const own = architecture === 'x64' ? 62 : 183;
  return machine === own ? 'exec format error: the ELF file is damaged' : `exec format error: built for ${MACHINES[machine] ?? `ELF machine ${machine}`}, this machine is ${MACHINES[own] ?? ''}`;
}

/** Of a script, its `#!` program; of a dynamic ELF file, its loader when that lies within the first bytes. */
function interpreterOf(head: Uint8Array): string | undefined {
  if (head[0] === 0x23 && head[1] === 0x21) {
    const line = latin1(head.subarray(2)).split(/[\n\0]/, 1)[0] ?? '';
    const program = line.trim().split(/[ \t]/, 1)[0] ?? '';
    return program === '' ? undefined : program;
  }
  const loader = /\/[\x21-\x7e]*ld[\x21-\x7e]*\.so[\x21-\x7e]*/.exec(latin1(head));
  return loader?.[0];
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
