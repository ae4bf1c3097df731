/** Errors in the words of runc: engines look for them in the log. */
import { BoxError } from '@tsc-box/model';

/** "does not exist", "container not running" and the like are read by go-runc, conmon and podman. */
export function stateError(attempted: string, detail: string, path?: string): BoxError {
  return new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail, path });
}

export function notFound(id: string): BoxError {
  return new BoxError({ code: 'ERR_TSCBOX_CONTAINER_NOT_FOUND', attempted: `find the container "${id}"`, detail: 'container does not exist' });
}

/**
 * What an engine is told. The words that it looks for come first: podman makes 127 of "executable file not found in $PATH" and "no such
 * file or directory", 126 of "permission denied"; docker does the same.
 */
export function runtimeMessage(error: unknown): string {
  if (!(error instanceof BoxError)) return error instanceof Error ? error.message : String(error);
  const hint = error.hint === undefined ? '' : ` (${error.hint})`;
  const command = error.path ?? '';
  switch (error.code) {
    case 'ERR_TSCBOX_COMMAND_NOT_FOUND':
      return command.includes('/') ? `exec: ${JSON.stringify(command)}: stat ${command}: no such file or directory` : `exec: ${JSON.stringify(command)}: executable file not found in $PATH`;
    case 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE':
      return `exec: ${JSON.stringify(command)}: ${WORDS[error.errno ?? ''] ?? 'permission denied'}${error.reason === undefined ? '' : ` (${error.reason})`}`;
    case 'ERR_TSCBOX_CONTAINER_NOT_FOUND':
      return error.detail ?? error.message;
    default:
      return error.step === 'cwd' && error.errno === 'ENOENT' ? `chdir to cwd (${JSON.stringify(error.path ?? '')}) set in config.json failed: no such file or directory` : `${error.message}${hint}`;
  }
}

const WORDS: Readonly<Record<string, string>> = { ENOENT: 'no such file or directory', ENOEXEC: 'exec format error', E2BIG: 'argument list too long', ETXTBSY: 'text file busy', EPERM: 'operation not permitted', ELOOP: 'too many levels of symbolic links' };
