/** A process in the foreground: its terminal, signals, and its exit code. */
import type { LaunchedProcess } from '@tsc-box/model';
import { relaySignals } from '../io/signals.ts';

/** Milliseconds to wait for the last output of a terminal that others hold open. */
const DRAIN_LIMIT = 500;

/** Until the process has ended. */
export async function waitInForeground(launched: LaunchedProcess): Promise<number> {
  const relay = relaySignals();
  relay.to(launched);
  try {
    if (launched.terminal === undefined) return (await launched.wait()).code;
    return await waitWithTerminal(launched);
  } finally {
    relay.stop();
  }
}

async function waitWithTerminal(launched: LaunchedProcess): Promise<number> {
  const [{ attach }, { enterRawMode, terminalSize }] = await Promise.all([import('../io/attach.ts'), import('../io/terminal.ts')]);
  const interactive = process.stdin.isTTY;
  const resize = (): void => {
    const size = terminalSize();
    if (size !== undefined) launched.resize(size.height, size.width);
  };
  process.on('SIGWINCH', resize);
  resize();
  const mode = interactive ? enterRawMode() : undefined;
  const attachment = attach(launched, interactive);
  try {
    const { code } = await launched.wait();
    await attachment.drained(DRAIN_LIMIT);
    return code;
  } finally {
    attachment.close();
    mode?.restore();
    process.off('SIGWINCH', resize);
  }
}
