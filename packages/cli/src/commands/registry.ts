/** Every command. To add one: its file beside this one, and a row here. Loaded only when it is the one asked for. */
import { DETACH_FLAGS, flag, RUN_FLAGS, SIMULATE_FLAG } from '../args/run-flags.ts';
import type { Command } from './command.ts';
import { IMAGE_COMMANDS } from './image-commands.ts';
import { LIFE_COMMANDS } from './life-commands.ts';
import { TRY_COMMANDS } from './try-commands.ts';

const IMAGES = `IMAGE is one of:
  host                       this machine's own root: what the container changes is kept apart (tsc-box diff)
  NAME[:TAG], or an id       an image of the store, or of a registry (tsc-box pull)
  oci:DIR[:TAG]              an OCI image layout
  docker-archive:FILE[:REF]  what docker save or podman save wrote
or none, with --rootfs DIR or --bundle DIR.`;

const json = flag('Output', '--json', 'json', 'As JSON', { boolean: true });

export const COMMANDS: readonly Command[] = [
  {
    name: 'run', summary: 'Run a command in a new container', usage: '[OPTIONS] IMAGE [COMMAND [ARG…]]', description: IMAGES,
    flags: [...RUN_FLAGS, ...DETACH_FLAGS, ...SIMULATE_FLAG], stopAtWord: true, words: [0, Infinity], complete: 'image',
    examples: [
      ['tsc-box run -it --rm host bash', 'a shell on a copy of this machine'],
      ['tsc-box run --memory 64m --pids-limit 32 host make test', 'with limits'],
      ['tsc-box run --network none -v "$PWD":/src:ro -w /src host ./untrusted', 'no network, sources read-only'],
      ['tsc-box run --rm debian:12 cat /etc/os-release', 'an image of docker.io'],
      ['tsc-box run --user nobody --cap-drop ALL oci:./image:latest id', 'an image of your own, without rights'],
      ['tsc-box run --rootfs ./root /bin/sh -c \'echo hello\'', 'a directory as the root'],
    ],
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'plan', summary: 'Print what run would do, step by step', usage: '[OPTIONS] IMAGE [COMMAND [ARG…]]', description: `Every system call in order, and why. Takes the options of run.\n\n${IMAGES}`,
    flags: [...RUN_FLAGS, ...SIMULATE_FLAG, json], stopAtWord: true, words: [0, Infinity], complete: 'image',
    examples: [['tsc-box plan --memory 64m host true', 'as text'], ['tsc-box plan --json host true', 'as JSON, for programs']],
    load: async () => (await import('./plan.ts')).plan,
  },
  {
    name: 'check', summary: 'Say which step of run this host can not do, and why', usage: '[OPTIONS] IMAGE [COMMAND [ARG…]]',
    description: `Runs nothing. Takes the options of run. Exits with 1 when a step would fail.\n\n${IMAGES}`,
    flags: [...RUN_FLAGS, ...SIMULATE_FLAG, json], stopAtWord: true, words: [0, Infinity], complete: 'image',
    examples: [['tsc-box check host true', 'what a plain container needs'], ['tsc-box check --memory 64m --cpus 0.5 host true', 'with limits']],
    load: async () => (await import('./check.ts')).check,
  },
  {
    name: 'diff', summary: 'List what a container changed', usage: '[OPTIONS] CONTAINER', description: 'One path a line: A added, C changed, D deleted.',
    flags: [json], stopAtWord: false, words: [1, 1], complete: 'container', examples: [['tsc-box diff web', 'by name, id or the beginning of an id']],
    load: async () => (await import('./diff.ts')).diff,
  },
  {
    name: 'ps', summary: 'List containers', usage: '[OPTIONS]',
    flags: [
      flag('Output', '-a --all', 'all', 'Also those that have ended', { boolean: true }),
      flag('Output', '-q --quiet', 'quiet', 'Ids only', { boolean: true }),
      flag('Output', '--no-trunc', 'noTrunc', 'Whole ids and commands', { boolean: true }),
      flag('Output', '--format=FORMAT', 'format', 'table, or json: one object a line', { choices: ['table', 'json'] }),
    ],
    stopAtWord: false, words: [0, 0], examples: [['tsc-box ps -a', 'all containers'], ['tsc-box ps -a --format json', 'for programs']],
    load: async () => (await import('./ps.ts')).ps,
  },
  {
    name: 'rm', summary: 'Remove containers', usage: '[OPTIONS] CONTAINER…',
    flags: [flag('Removal', '-f --force', 'force', 'Kill those that run', { boolean: true })],
    stopAtWord: false, words: [1, Infinity], complete: 'container', examples: [['tsc-box rm web', 'one that has ended'], ['tsc-box rm -f $(tsc-box ps -aq)', 'all of them']],
    load: async () => (await import('./rm.ts')).rm,
  },
  {
    name: 'audit', summary: 'Say what a container keeps apart, and what it shares or may take', usage: '[OPTIONS] CONTAINER|IMAGE [COMMAND [ARG…]]',
    description: 'Of a container that there is, or of what run would make with these options. With the severity of each finding and the flag that changes it.',
    flags: [...RUN_FLAGS, json], stopAtWord: true, words: [1, Infinity], complete: 'image-or-container',
    examples: [['tsc-box audit web', 'a container'], ['tsc-box audit --network host --cap-add SYS_ADMIN host', 'what run would make']],
    load: async () => (await import('./audit.ts')).audit,
  },
  ...TRY_COMMANDS,
  ...LIFE_COMMANDS,
  ...IMAGE_COMMANDS,
  {
    name: 'completion', summary: 'Print a completion script for a shell', usage: 'bash|zsh|fish', flags: [], stopAtWord: false, words: [1, 1], complete: ['bash', 'zsh', 'fish'],
    examples: [
      ['source <(tsc-box completion bash)', 'in ~/.bashrc'],
      ['tsc-box completion zsh > ~/.zfunc/_tsc-box', 'a directory of $fpath'],
      ['tsc-box completion fish > ~/.config/fish/completions/tsc-box.fish', ''],
    ],
    load: async () => (await import('./completion.ts')).completion,
  },
  {
    name: 'version', summary: 'Print the version', usage: '', flags: [json], stopAtWord: false, words: [0, 0], examples: [['tsc-box version --json', 'also of Node and the host']],
    load: async () => (await import('./version.ts')).version,
  },
];
