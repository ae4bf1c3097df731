/** Where errors and warnings go: standard error, and the file of `--log` in the form that engines read. */
import { appendFileSync } from 'node:fs';

export interface Log {
  error(message: string): void;
  warn(message: string): void;
}

export interface LogOptions {
  readonly file: string | undefined;
  readonly json: boolean;
  readonly debug: boolean;
  writeError(text: string): void;
}

export function openLog({ file, json, debug, writeError }: LogOptions): Log {
  const write = (level: string, msg: string, onScreen: boolean): void => {
    const time = new Date().toISOString();
    const line = json ? JSON.stringify({ level, msg, time }) : `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(msg)}`;
    if (onScreen) writeError(`${json && file === undefined ? line : `tsc-box-runtime: ${level === 'error' ? '' : `${level}: `}${msg}`}\n`);
    if (file === undefined) return;
    try {
      appendFileSync(file, `${line}\n`, { mode: 0o644 });
    } catch (error) {
      writeError(`tsc-box-runtime: write the log "${file}": ${error instanceof Error ? error.message : String(error)}\n`);
    }
  };
  return {
    error: (message) => write('error', message, true),
    warn: (message) => write('warning', message, debug || file === undefined),
  };
}
