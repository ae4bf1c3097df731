/**
 * Passes signals on to the container, as docker's --sig-proxy. Not passed on: those that can't be caught (KILL, STOP), those about this
 * process itself (CHLD, PIPE, URG, faults, PROF), and the terminal's stop signals, so that Ctrl-Z gives the user the shell back.
 */
import { SIGNAL_NUMBERS, type LaunchedProcess } from '@tsc-box/model';

export const FORWARDED: readonly NodeJS.Signals[] = [
  'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGABRT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGTERM', 'SIGCONT', 'SIGWINCH',
  'SIGTRAP', 'SIGSTKFLT', 'SIGXCPU', 'SIGVTALRM', 'SIGIO', 'SIGPWR', 'SIGSYS',
];

/** These end a process that doesn't handle them; while there is no container yet, they end us. */
const ENDING: readonly string[] = FORWARDED.filter((name) => name !== 'SIGCONT' && name !== 'SIGWINCH');

export interface SignalRelay {
  /** From now on signals go to this process. `intercept` may take one for itself by returning true. */
  to(target: Pick<LaunchedProcess, 'kill'>, intercept?: (signal: NodeJS.Signals) => boolean): void;
  stop(): void;
}

/**
 * Starts to catch. One that comes before `to` ends this process as it would have done otherwise: nothing is launched then.
 * During the launch itself no handler runs: it is one synchronous call, and a signal of that time goes to the new container.
 */
export function relaySignals(exit: (code: number) => void = (code) => process.exit(code)): SignalRelay {
  let target: Pick<LaunchedProcess, 'kill'> | undefined;
  let intercept: ((signal: NodeJS.Signals) => boolean) | undefined;
  const handle = (signal: NodeJS.Signals): void => {
    const number = SIGNAL_NUMBERS[signal] ?? 0;
    if (target === undefined) {
      if (ENDING.includes(signal)) exit(128 + number);
    } else if (intercept?.(signal) !== true) target.kill(number);
  };
  for (const signal of FORWARDED) process.on(signal, handle);
  return {
    to(next, take) {
      target = next;
      intercept = take;
    },
    stop() {
      for (const signal of FORWARDED) process.off(signal, handle);
    },
  };
}
