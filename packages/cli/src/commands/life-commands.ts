/** Rows of the commands on containers that are left running. */
import { DETACH_KEYS_FLAG, flag, RESTART_FLAG, RUN_FLAGS } from '../args/run-flags.ts';
import type { Command } from './command.ts';

const yes = { boolean: true } as const;
const json = flag('Output', '--json', 'json', 'As JSON', yes);
const several = { stopAtWord: false, words: [1, Infinity], complete: 'container' } as const;
const one = { stopAtWord: false, words: [1, 1], complete: 'container' } as const;
const signal = flag('Signal', '-s --signal=SIGNAL', 'signal', 'Signal, by name or number', { complete: ['SIGHUP', 'SIGINT', 'SIGKILL', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] });
const stopFlags = [flag('Signal', '-t --time=SECONDS', 'time', 'How long it may take before it is killed; 10 by default, -1 for ever'), signal];

export const LIFE_COMMANDS: readonly Command[] = [
  {
    name: 'create', summary: 'Make a container without starting it', usage: '[OPTIONS] IMAGE [COMMAND [ARG…]]', description: 'Takes the options and images of run. Prints the id.',
    flags: [...RUN_FLAGS, ...RESTART_FLAG], stopAtWord: true, words: [0, Infinity], complete: 'image', examples: [['tsc-box create --name job host make', 'tsc-box start -a job runs it']],
    load: async () => (await import('./create.ts')).create,
  },
  {
    name: 'start', summary: 'Start containers that do not run', usage: '[OPTIONS] CONTAINER…', description: 'Each goes on with the files that it had.', ...several,
    flags: [flag('Streams', '-a --attach', 'attach', 'Stay, and show what it writes; one container', yes), flag('Streams', '-i --interactive', 'interactive', 'Stay, and pass standard input on', yes), ...DETACH_KEYS_FLAG],
    examples: [['tsc-box start -a job', 'its output, and its exit code']], load: async () => (await import('./start.ts')).start,
  },
  { name: 'stop', summary: 'Ask containers to stop, and kill those that do not', usage: '[OPTIONS] CONTAINER…', flags: stopFlags, ...several, examples: [['tsc-box stop -t 3 web', '']], load: async () => (await import('./stop.ts')).stop },
  { name: 'restart', summary: 'Stop containers and start them again', usage: '[OPTIONS] CONTAINER…', flags: stopFlags, ...several, examples: [['tsc-box restart web', '']], load: async () => (await import('./stop.ts')).restart },
  { name: 'kill', summary: 'Send a signal to containers: SIGKILL by default', usage: '[OPTIONS] CONTAINER…', flags: [signal], ...several, examples: [['tsc-box kill -s HUP web', 'what many servers reload at']], load: async () => (await import('./stop.ts')).kill },
  { name: 'wait', summary: 'Wait until containers have ended, and print their exit codes', usage: 'CONTAINER…', flags: [], ...several, examples: [['tsc-box wait job', '']], load: async () => (await import('./pause.ts')).wait },
  { name: 'pause', summary: 'Stop all processes of containers in their tracks', usage: 'CONTAINER…', flags: [], ...several, examples: [['tsc-box pause job', '']], load: async () => (await import('./pause.ts')).pause },
  { name: 'unpause', summary: 'Let paused containers go on', usage: 'CONTAINER…', flags: [], ...several, examples: [['tsc-box unpause job', '']], load: async () => (await import('./pause.ts')).unpause },
  { name: 'rename', summary: 'Give a container another name', usage: 'CONTAINER NAME', flags: [], stopAtWord: false, words: [2, 2], complete: 'container', examples: [['tsc-box rename web old-web', '']], load: async () => (await import('./pause.ts')).rename },
  {
    name: 'attach', summary: 'Join the streams of a running container', usage: '[OPTIONS] CONTAINER', description: 'Shows what it writes from now on, until it ends or the detach keys are typed.', ...one,
    flags: [flag('Streams', '--no-stdin', 'noStdin', 'Only show, pass nothing on', yes), ...DETACH_KEYS_FLAG], examples: [['tsc-box attach shell', 'ctrl-p ctrl-q leaves it running']], load: async () => (await import('./start.ts')).attach,
  },
  {
    name: 'exec', summary: 'Run one more command in a running container', usage: '[OPTIONS] CONTAINER COMMAND [ARG…]', stopAtWord: true, words: [1, Infinity], complete: 'container',
    flags: [
      flag('Process', '-d --detach', 'detach', 'Leave it behind; nobody sees its output', yes), flag('Process', '-i --interactive', 'interactive', 'Give it the standard input', yes), flag('Process', '-t --tty', 'terminal', 'Give it a terminal', yes),
      flag('Process', '-e --env=KEY[=VALUE]', 'env', 'Environment variable beside those of the container', { list: true }), flag('Process', '--env-file=FILE', 'envFiles', 'File with one environment variable a line', { list: true, complete: 'file' }),
      flag('Process', '-u --user=USER[:GROUP]', 'user', 'User and group, as the container knows them'), flag('Process', '-w --workdir=DIR', 'workdir', 'Working directory'), flag('Process', '--privileged', 'privileged', 'All capabilities', yes),
    ],
    examples: [['tsc-box exec -it web sh', 'a shell in it'], ['tsc-box exec -u nobody web id', '']], load: async () => (await import('./exec.ts')).exec,
  },
  {
    name: 'logs', summary: 'Show what a container has written', usage: '[OPTIONS] CONTAINER', ...one,
    flags: [
      flag('Output', '-f --follow', 'follow', 'Go on until it has ended', yes), flag('Output', '-n --tail=LINES', 'tail', 'Only the last lines; all by default'), flag('Output', '-t --timestamps', 'timestamps', 'With the time of each line', yes),
      flag('Output', '--since=TIME', 'since', 'From then on: a time, or how long ago such as 10m'), flag('Output', '--until=TIME', 'until', 'Up to then'),
    ],
    examples: [['tsc-box logs -f --tail 20 web', '']], load: async () => (await import('./logs.ts')).logs,
  },
  { name: 'top', summary: 'List the processes of a container', usage: '[OPTIONS] CONTAINER', flags: [json], ...one, examples: [['tsc-box top web', '']], load: async () => (await import('./top.ts')).top },
  {
    name: 'stats', summary: 'Show what containers use', usage: '[OPTIONS] [CONTAINER…]', stopAtWord: false, words: [0, Infinity], complete: 'container',
    flags: [flag('Output', '-a --all', 'all', 'Also those that do not run', yes), flag('Output', '--no-stream', 'noStream', 'Once', yes), flag('Output', '--format=FORMAT', 'format', 'table, or json: one object a line', { choices: ['table', 'json'] })],
    examples: [['tsc-box stats', 'every second, until ctrl-c'], ['tsc-box stats --no-stream --format json web', 'for programs']], load: async () => (await import('./stats.ts')).showStats,
  },
  {
    name: 'update', summary: 'Change limits of running containers', usage: '[OPTIONS] CONTAINER…', ...several,
    flags: [
      ...RUN_FLAGS.filter(({ key }) => ['memory', 'memorySwap', 'memoryReservation', 'cpus', 'cpuShares', 'cpuPeriod', 'cpuQuota', 'cpusetCpus', 'cpusetMems', 'pidsLimit'].includes(key)), ...RESTART_FLAG,
    ],
    examples: [['tsc-box update --memory 256m --cpus 1 web', '']], load: async () => (await import('./update.ts')).update,
  },
];
