/** Rows of the commands that try something on a copy of this machine. */
import { flag, RUN_FLAGS } from '../args/run-flags.ts';
import type { Command } from './command.ts';

const yes = { boolean: true } as const;
/** The image is given, and it ends with this process. */
const OTHER = ['rootfs', 'bundle', 'pull', 'platform', 'plainHttp', 'remove', 'interactive', 'terminal', 'userns', 'entrypoint'];

export const TRY_COMMANDS: readonly Command[] = [
  {
    name: 'try', summary: 'Run a command on a copy of this machine, then apply or discard what it changed', usage: '[OPTIONS] COMMAND [ARG…]',
    description: 'It starts in the current directory, without a network unless --network says otherwise. Then its changes are shown, and what becomes of them is asked; without a terminal they are kept for tsc-box apply, unless a flag says otherwise.',
    flags: [
      flag('Changes', '--apply', 'apply', 'Apply all when it has ended with exit code 0; keep them otherwise', yes), flag('Changes', '--discard', 'discard', 'Only show them', yes), flag('Changes', '--keep', 'keep', 'Keep them for tsc-box apply', yes),
      flag('Resources', '--timeout=TIME', 'timeout', 'Kill it after this time, such as 30s: exit code 124'),
      ...RUN_FLAGS.filter(({ key }) => !OTHER.includes(key)),
    ],
    stopAtWord: true, words: [1, Infinity], complete: 'file',
    examples: [['tsc-box try make install', 'what would it install, and where?'], ['tsc-box try --hide "$HOME/.ssh" --timeout 1m --memory 1g ./install.sh', 'a script of others']],
    load: async () => (await import('./try.ts')).tryCommand,
  },
  {
    name: 'apply', summary: 'Do to this machine what a container of the image host changed in its copy', usage: '[OPTIONS] CONTAINER [PATH…]',
    description: 'Prints what became of each change. What was changed here since the container was made is a conflict, and left alone. The container stays.',
    flags: [
      flag('Changes', '--force', 'force', 'Also where there is a conflict: what was changed here meanwhile is lost', yes), flag('Changes', '--dry-run', 'dryRun', 'Only tell', yes),
      flag('Output', '--json', 'json', 'As JSON', yes),
    ],
    stopAtWord: false, words: [1, Infinity], complete: 'container', examples: [['tsc-box apply --dry-run work', 'are there conflicts?'], ['tsc-box apply work /etc/motd', 'only this']],
    load: async () => (await import('./apply.ts')).apply,
  },
];
