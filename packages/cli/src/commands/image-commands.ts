/** Rows of the commands on images, for `registry.ts`. */
import { flag } from '../args/run-flags.ts';
import type { Command } from './command.ts';

const yes = { boolean: true } as const;
const many = { list: true } as const;
const json = flag('Output', '--json', 'json', 'As JSON', yes);
const quiet = flag('Output', '-q --quiet', 'quiet', 'Names or ids only', yes);
const noTrunc = flag('Output', '--no-trunc', 'noTrunc', 'Whole ids and texts', yes);
const format = flag('Output', '--format=FORMAT', 'format', 'table, or json: one object a line', { choices: ['table', 'json'] });
const plainHttp = flag('Registry', '--plain-http=HOST[:PORT]', 'plainHttp', 'Registry that may be spoken to without TLS; those on this machine always', many);
const platform = (help: string) => flag('Image', '--platform=OS/ARCH[/VARIANT]', 'platform', help);
const change = flag('Image', '-c --change=INSTRUCTION', 'change', 'Instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR', many);
const message = flag('Image', '-m --message=TEXT', 'message', 'Comment of the new image');
const output = flag('Output', '-o --output=FILE', 'output', 'Write to a file in place of standard output', { complete: 'file' });
const dryRun = flag('Removal', '--dry-run', 'dryRun', 'Only tell what would be removed', yes);

export const IMAGE_COMMANDS: readonly Command[] = [
  {
    name: 'pull', summary: 'Fetch an image from a registry', usage: '[OPTIONS] NAME[:TAG|@DIGEST]', description: 'Logins are those of docker login and podman login. What a broken download has fetched is not fetched again.',
    flags: [platform('Platform, or all; this machine\'s by default'), plainHttp, flag('Registry', '--mirror=[REGISTRY=]HOST', 'mirror', 'Ask this host first, for docker.io or another registry', many), quiet],
    stopAtWord: false, words: [1, 1], examples: [['tsc-box pull debian:12', 'from docker.io'], ['tsc-box pull --platform linux/arm64 localhost:5000/app', 'another platform']],
    load: async () => (await import('./pull.ts')).pull,
  },
  {
    name: 'push', summary: 'Give an image to a registry', usage: '[OPTIONS] IMAGE [NAME[:TAG]]', flags: [platform('Only this platform of an image with several'), plainHttp, quiet],
    stopAtWord: false, words: [1, 2], complete: 'store-image', examples: [['tsc-box push app localhost:5000/app:1', 'under another name']],
    load: async () => (await import('./pull.ts')).push,
  },
  {
    name: 'login', summary: 'Keep the credentials of a registry', usage: '[OPTIONS] [REGISTRY]', description: 'Of docker.io where none is named. They are tried first, and kept where docker keeps them.',
    flags: [flag('Credentials', '-u --username=NAME', 'username', 'User name; asked for otherwise'), flag('Credentials', '-p --password=PASSWORD', 'password', 'Password: others can see it here'), flag('Credentials', '--password-stdin', 'passwordStdin', 'Read the password from standard input', yes), plainHttp],
    stopAtWord: false, words: [0, 1], examples: [['tsc-box login -u me --password-stdin registry.example.com < token', '']], load: async () => (await import('./login.ts')).login,
  },
  {
    name: 'logout', summary: 'Forget the credentials of a registry', usage: '[REGISTRY]', flags: [], stopAtWord: false, words: [0, 1], examples: [['tsc-box logout registry.example.com', '']],
    load: async () => (await import('./login.ts')).logout,
  },
  {
    name: 'images', summary: 'List images', usage: '[OPTIONS] [REPOSITORY[:TAG]]',
    flags: [
      flag('Output', '-a --all', 'all', 'All images: there are no hidden ones', yes), flag('Output', '--digests', 'digests', 'With digests', yes), quiet, noTrunc, format,
      flag('Output', '-f --filter=KEY=VALUE', 'filter', 'dangling=true|false, reference=PATTERN, label=KEY[=VALUE]', { ...many, complete: ['dangling=true', 'dangling=false', 'reference=', 'label='] }),
    ],
    stopAtWord: false, words: [0, 1], complete: 'store-image', examples: [['tsc-box images', 'all'], ['tsc-box images -q --filter dangling=true', 'ids of those without a name']],
    load: async () => (await import('./images.ts')).images,
  },
  {
    name: 'rmi', summary: 'Remove images', usage: '[OPTIONS] IMAGE…', description: 'By name: that name. By id: the image with all its names, if there is one name or --force. What nothing needs any more is deleted.',
    flags: [flag('Removal', '-f --force', 'force', 'Also with several names, or with containers that have ended', yes), flag('Removal', '--no-prune', 'noPrune', 'Keep the layers until the next gc', yes)],
    stopAtWord: false, words: [1, Infinity], complete: 'store-image', examples: [['tsc-box rmi debian:12', 'by name']],
    load: async () => (await import('./image-names.ts')).rmi,
  },
  {
    name: 'tag', summary: 'Give an image another name', usage: 'IMAGE NAME[:TAG]', flags: [], stopAtWord: false, words: [2, 2], complete: 'store-image', examples: [['tsc-box tag debian:12 localhost:5000/base', '']],
    load: async () => (await import('./image-names.ts')).tag,
  },
  {
    name: 'load', summary: 'Read images from an archive', usage: '[OPTIONS]', description: 'What docker save, podman save or tsc-box save wrote, plain or compressed; also an OCI image layout, as a directory or a tar.',
    flags: [flag('Image', '-i --input=FILE', 'input', 'File or directory; standard input otherwise', { complete: 'file' }), flag('Image', '--name=NAME[:TAG]', 'name', 'Name of an image that tells none'), quiet],
    stopAtWord: false, words: [0, 0], examples: [['tsc-box load -i image.tar', ''], ['skopeo copy docker://debian docker-archive:/dev/stdout | tsc-box load', '']],
    load: async () => (await import('./archives.ts')).load,
  },
  {
    name: 'save', summary: 'Write images to an archive', usage: '[OPTIONS] IMAGE…', description: 'The same images always give the same bytes.',
    flags: [output, flag('Output', '--format=FORMAT', 'format', 'docker: docker load reads it too (the default); oci: the layout alone, with all platforms', { choices: ['docker', 'oci'] }), platform('Only this platform')],
    stopAtWord: false, words: [1, Infinity], complete: 'store-image', examples: [['tsc-box save -o image.tar debian:12', '']],
    load: async () => (await import('./archives.ts')).save,
  },
  {
    name: 'import', summary: 'Make an image of a root as a tar', usage: '[OPTIONS] FILE|- [NAME[:TAG]]', flags: [change, message, platform('Platform of the root; this machine\'s by default')],
    stopAtWord: false, words: [1, 2], complete: 'file', examples: [['mmdebstrap stable - | tsc-box import -c \'CMD ["bash"]\' - debian:mine', '']],
    load: async () => (await import('./archives.ts')).importImage,
  },
  {
    name: 'inspect', summary: 'Show all about images and containers', usage: '[OPTIONS] NAME…', description: 'JSON in docker\'s form. A container wins over an image of the same name.',
    flags: [flag('Output', '--format=FORMAT', 'format', 'json: one object a line; an indented list otherwise', { choices: ['json'] }), flag('Output', '--type=TYPE', 'type', 'Only look for this', { choices: ['image', 'container'] })],
    stopAtWord: false, words: [1, Infinity], complete: 'image-or-container', examples: [['tsc-box inspect debian:12', '']],
    load: async () => (await import('./inspect.ts')).inspect,
  },
  {
    name: 'history', summary: 'Show how an image was made', usage: '[OPTIONS] IMAGE', flags: [quiet, noTrunc, format], stopAtWord: false, words: [1, 1], complete: 'store-image',
    examples: [['tsc-box history --no-trunc debian:12', '']], load: async () => (await import('./inspect.ts')).history,
  },
  {
    name: 'commit', summary: 'Make an image of a container\'s changes', usage: '[OPTIONS] CONTAINER [NAME[:TAG]]', description: 'What diff shows, on the container\'s image. Its own /etc/hosts and the like, and all mounts, stay out.',
    flags: [flag('Image', '-a --author=TEXT', 'author', 'Author of the new image'), message, change, flag('Image', '-p --pause', 'pause', 'Stop the container meanwhile; --pause=false not to', yes)],
    stopAtWord: false, words: [1, 2], complete: 'container', examples: [['tsc-box commit -c \'CMD ["serve"]\' web web:2', '']], load: async () => (await import('./commit.ts')).commit,
  },
  {
    name: 'export', summary: 'Write a container\'s root as a tar', usage: '[OPTIONS] CONTAINER', flags: [output], stopAtWord: false, words: [1, 1], complete: 'container',
    examples: [['tsc-box export web | tar t', '']], load: async () => (await import('./commit.ts')).exportContainer,
  },
  {
    name: 'cp', summary: 'Copy files between a container and this machine', usage: '[OPTIONS] CONTAINER:PATH|PATH|- PATH|CONTAINER:PATH|-',
    description: 'A directory with /. at its end stands for its content. - is a tar on standard input or output. The container need not run.',
    flags: [flag('Copy', '-a --archive', 'archive', 'Keep owners', yes), flag('Copy', '-L --follow-link', 'followLink', 'Follow a link at the source', yes)],
    stopAtWord: false, words: [2, 2], complete: 'container', examples: [['tsc-box cp web:/etc/motd .', ''], ['tsc-box cp site/. web:/srv', 'the content of a directory']],
    load: async () => (await import('./cp.ts')).cp,
  },
  {
    name: 'layers', summary: 'Show what the layers of an image or a container hold', usage: '[OPTIONS] IMAGE|CONTAINER', description: 'Top first: role, size, entries added, changed and deleted, and bytes that upper layers hide.',
    flags: [flag('Output', '--why=PATH', 'why', 'Which layers have the path, which one is seen, and what hides the others'), json], stopAtWord: false, words: [1, 1], complete: 'image-or-container',
    examples: [['tsc-box layers debian:12', ''], ['tsc-box layers --why /etc/motd web', 'where it comes from']], load: async () => (await import('./layers.ts')).layers,
  },
  {
    name: 'gc', summary: 'Delete what no image and no container needs', usage: '[OPTIONS]', description: 'Blobs, unpacked layers, and parts of downloads that nobody fetches. Safe beside other commands.',
    flags: [dryRun, json], stopAtWord: false, words: [0, 0], examples: [['tsc-box gc --dry-run', '']], load: async () => (await import('./store-care.ts')).gc,
  },
  {
    name: 'prune', summary: 'Delete unused images, and what only they need', usage: '[OPTIONS]', description: 'Images without a name that no container was made from; with --all also named ones. Then all that gc deletes.',
    flags: [flag('Removal', '-a --all', 'all', 'Also images with a name that no container was made from', yes), flag('Removal', '-f --force', 'force', 'Do not ask', yes), dryRun, json],
    stopAtWord: false, words: [0, 0], examples: [['tsc-box prune -f', '']], load: async () => (await import('./store-care.ts')).prune,
  },
  {
    name: 'fsck', summary: 'Verify every digest of the image store', usage: '[OPTIONS]', description: 'Exits with 1 when something is damaged.',
    flags: [flag('Removal', '--repair', 'repair', 'Remove damaged blobs, so that a pull or load fetches them again', yes), json],
    stopAtWord: false, words: [0, 0], examples: [['tsc-box fsck', '']], load: async () => (await import('./store-care.ts')).fsck,
  },
];
