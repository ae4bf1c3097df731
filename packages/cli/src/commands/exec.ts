/** `tsc-box exec`: one more process in a running container. */
import { UsageError, type ExecOptions } from '@tsc-box/model';
import { booleanValue, listValue, stringValue } from '../args/flag.ts';
import { helpHint } from '../args/parse.ts';
import { relaySignals } from '../io/signals.ts';
import { chooseStreams } from '../io/streams.ts';
import { isTerminal } from '../report/write.ts';
import type { Run } from './command.ts';
import { followProcess } from './run.ts';

export const exec: Run = async (parsed, cli) => {
  const [container = '', ...command] = parsed.positionals;
  if (command.length === 0) throw new UsageError({ attempted: 'read the command line', detail: 'no command is given after the container', hint: helpHint('exec') });
  const detach = booleanValue(parsed, 'detach');
  const wishes = { interactive: booleanValue(parsed, 'interactive'), terminal: booleanValue(parsed, 'terminal') };
  const stdio = detach ? { stdin: 'null' as const, stdout: 'null' as const, stderr: 'null' as const } : chooseStreams(wishes, isTerminal);
  const size = wishes.terminal && !detach ? (await import('../io/terminal.ts')).terminalSize() : undefined;
  const relay = relaySignals();
  try {
    const life = await (await cli.engine()).life();
    const child = life.exec(container, {
      command, stdio, detach, hostEnv: cli.env, cwd: cli.cwd, dieWithParent: !detach,
      options: { ...optionsOf(parsed), terminal: wishes.terminal, ...(size === undefined ? {} : { consoleSize: size }) },
    });
    if (detach) return 0;
    return await followProcess({ process: child, wait: () => child.wait().finally(() => child.cleanup()) }, wishes, relay, cli);
  } finally {
    relay.stop();
  }
};

function optionsOf(parsed: Parameters<Run>[0]): ExecOptions {
  const user = stringValue(parsed, 'user');
  const workdir = stringValue(parsed, 'workdir');
  return {
    env: listValue(parsed, 'env'), envFiles: listValue(parsed, 'envFiles'), privileged: booleanValue(parsed, 'privileged'),
    ...(user === undefined ? {} : { user }), ...(workdir === undefined ? {} : { workdir }),
  };
}
