/**
 * Typed errors. Every failure a user can meet is a `BoxError`: data that a program can branch on
 * (`code`, `syscall`, `errno`, `path`) and that one function turns into one line of text and a hint.
 * Caller mistakes (`SpecError`, `UsageError`) and host failures (`SyscallError`, `UnsupportedError`) are different classes.
 */

/** Stable error codes. Each has a row in docs/reference/errors.md. */
export type ErrorCode =
  | 'ERR_TSCBOX_USAGE'
  | 'ERR_TSCBOX_SPEC_INVALID'
  | 'ERR_TSCBOX_STEP_FAILED'
  | 'ERR_TSCBOX_SYSCALL_FAILED'
  | 'ERR_TSCBOX_COMMAND_NOT_FOUND'
  | 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE'
  | 'ERR_TSCBOX_UNSUPPORTED'
  | 'ERR_TSCBOX_IMAGE_NOT_FOUND'
  | 'ERR_TSCBOX_IMAGE_INVALID'
  | 'ERR_TSCBOX_LAYER_INVALID'
  | 'ERR_TSCBOX_DIGEST_MISMATCH'
  | 'ERR_TSCBOX_REFERENCE_INVALID'
  | 'ERR_TSCBOX_REGISTRY'
  | 'ERR_TSCBOX_CONTAINER_NOT_FOUND'
  | 'ERR_TSCBOX_STATE'
  | 'ERR_TSCBOX_NAME_IN_USE'
  | 'ERR_TSCBOX_USER_NOT_FOUND'
  | 'ERR_TSCBOX_INTERNAL';

export interface BoxErrorFields {
  readonly code: ErrorCode;
  /** What was tried: verb and object, lower case, no full stop: `mount overlay on "/run/x/merged"`. */
  readonly attempted: string;
  /** What is wrong, when it is not an errno: `found "64q", allowed: a number with k, m, g or t`. */
  readonly detail?: string | undefined;
  /** Plan step id, such as `rootfs.overlay`. */
  readonly step?: string | undefined;
  /** System call by its Linux name. */
  readonly syscall?: string | undefined;
  /** Arguments of the call as the plan prints them. */
  readonly args?: Readonly<Record<string, unknown>> | undefined;
  /** Symbolic errno, such as `EPERM`. */
  readonly errno?: string | undefined;
  /** Absolute path, always whole. */
  readonly path?: string | undefined;
  /** A checked cause in plain words. */
  readonly reason?: string | undefined;
  /** What the user can do. Only stated where the cause was checked. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** Base of every typed error of tsc-box. */
export class BoxError extends Error {
  readonly code: ErrorCode;
  readonly attempted: string;
  readonly detail: string | undefined;
  readonly step: string | undefined;
  readonly syscall: string | undefined;
  readonly args: Readonly<Record<string, unknown>> | undefined;
  readonly errno: string | undefined;
  readonly path: string | undefined;
  readonly reason: string | undefined;
  readonly hint: string | undefined;

  constructor(fields: BoxErrorFields) {
    super(describeFields(fields), fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = new.target.name;
    this.code = fields.code;
    this.attempted = fields.attempted;
    this.detail = fields.detail;
    this.step = fields.step;
    this.syscall = fields.syscall;
    this.args = fields.args;
    this.errno = fields.errno;
    this.path = fields.path;
    this.reason = fields.reason;
    this.hint = fields.hint;
  }
}

/** A command line or option that can't be understood. The caller's mistake. */
export class UsageError extends BoxError {
  constructor(fields: Omit<BoxErrorFields, 'code'>) {
    super({ code: 'ERR_TSCBOX_USAGE', ...fields });
  }
}

/** A container spec with a bad field. `pointer` is its JSON path, such as `process.args[0]`. */
export class SpecError extends BoxError {
  readonly pointer: string;
  constructor(fields: Omit<BoxErrorFields, 'code' | 'attempted'> & { readonly pointer: string; readonly attempted?: string }) {
    super({ code: 'ERR_TSCBOX_SPEC_INVALID', ...fields, attempted: fields.attempted ?? `validate ${fields.pointer}` });
    this.pointer = fields.pointer;
  }
}

/** A system call or plan step that the kernel refused. */
export class SyscallError extends BoxError {
  constructor(fields: Omit<BoxErrorFields, 'code'> & { readonly code?: ErrorCode }) {
    super({ code: fields.step === undefined ? 'ERR_TSCBOX_SYSCALL_FAILED' : 'ERR_TSCBOX_STEP_FAILED', ...fields });
  }
}

/** Something this host, or this version, can't do. `reason` is what the probe found. */
export class UnsupportedError extends BoxError {
  constructor(fields: Omit<BoxErrorFields, 'code'>) {
    super({ code: 'ERR_TSCBOX_UNSUPPORTED', ...fields });
  }
}

/** A broken invariant of tsc-box itself. */
export class InternalError extends BoxError {
  constructor(attempted: string, detail?: string) {
    super({ code: 'ERR_TSCBOX_INTERNAL', attempted, detail, hint: 'this is a bug in tsc-box: please report it with the command that showed it' });
  }
}

/** Throws `InternalError` unless `condition` holds. On in production. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new InternalError(`keep the invariant: ${invariant}`);
}

/** One line, lower case, no full stop: `mount overlay on "/x": EINVAL invalid argument`. */
function describeFields(fields: BoxErrorFields): string {
  let text = fields.attempted;
  const what = [fields.errno, fields.detail].filter((part) => part !== undefined).join(' ');
  if (what !== '') text += `: ${what}`;
  if (fields.reason !== undefined) text += ` (${fields.reason})`;
  return text;
}

/** What Node throws for a refused system call: `code`, `syscall`, `path`. */
interface SystemError extends Error {
  readonly code?: string;
  readonly syscall?: string;
  readonly path?: string;
}

/** An error of Node's own calls as a typed one; any other error as it is. */
export function asBoxError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof BoxError) return error;
  const { code, syscall, path } = error as SystemError;
  if (code === undefined || syscall === undefined || !/^E[A-Z0-9]+$/.test(code)) return error;
  return new SyscallError({
    attempted: path === undefined ? syscall : `${syscall} "${path}"`, syscall, errno: code, path, detail: error.message.replace(/^[A-Z0-9]+: /, '').split(',')[0],
    ...(code === 'EACCES' || code === 'EPERM' ? { hint: 'this user may not do it: check the owner and mode of the path and of the directories above it' } : {}), cause: undefined,
  });
}

/** The error as plain data, for `--error-format json` and logs. Fields that are not set are left out. */
export function errorToJson(error: unknown): Record<string, unknown> {
  if (!(error instanceof BoxError)) {
    return { code: 'ERR_TSCBOX_INTERNAL', message: error instanceof Error ? error.message : String(error) };
  }
  const { code, attempted, detail, step, syscall, args, errno, path, reason, hint } = error;
  const pointer = error instanceof SpecError ? error.pointer : undefined;
  const all = { code, message: error.message, attempted, detail, step, syscall, args, errno, path, pointer, reason, hint };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
