/**
 * The `options` of a mount, sorted by the system call that takes them: OCI config.md "Mounts" and config-linux.md
 * "Linux mount options"; mount_setattr(2) for attributes and propagation; what the kernel does not know as an attribute is the file system's own.
 */
import { UnsupportedError } from '../errors/box-error.ts';

export interface MountPropagation {
  readonly flag: 'MS_PRIVATE' | 'MS_SHARED' | 'MS_SLAVE' | 'MS_UNBINDABLE';
  readonly recursive: boolean;
}

export interface ParsedMountOptions {
  /** MOUNT_ATTR_* names to set. */
  readonly set: readonly string[];
  /** MOUNT_ATTR_* names to clear first. Holds MOUNT_ATTR__ATIME whenever an access time option is given: mount_setattr(2) wants the whole field cleared. */
  readonly clear: readonly string[];
  /** The same for the whole tree below the mount (`rro`, `rnosuid`…): mount_setattr(2) with AT_RECURSIVE. */
  readonly recursiveSet: readonly string[];
  readonly recursiveClear: readonly string[];
  /** The last one given. */
  readonly propagation?: MountPropagation;
  readonly bind: boolean;
  readonly recursiveBind: boolean;
  /** Options of the file system and its superblock, in order: `mode=755`, `sync`. */
  readonly data: readonly string[];
}

/** Option → attribute and whether it is set or cleared. Each has a recursive twin with `r` before it. */
const ATTRIBUTES: Readonly<Record<string, readonly [attribute: string, on: boolean]>> = {
  ro: ['MOUNT_ATTR_RDONLY', true], rw: ['MOUNT_ATTR_RDONLY', false],
  nosuid: ['MOUNT_ATTR_NOSUID', true], suid: ['MOUNT_ATTR_NOSUID', false],
  nodev: ['MOUNT_ATTR_NODEV', true], dev: ['MOUNT_ATTR_NODEV', false],
  noexec: ['MOUNT_ATTR_NOEXEC', true], exec: ['MOUNT_ATTR_NOEXEC', false],
  nodiratime: ['MOUNT_ATTR_NODIRATIME', true], diratime: ['MOUNT_ATTR_NODIRATIME', false],
  nosymfollow: ['MOUNT_ATTR_NOSYMFOLLOW', true], symfollow: ['MOUNT_ATTR_NOSYMFOLLOW', false],
};

/** Access times are one field of the attributes, with relatime as its zero. */
const ATIME: Readonly<Record<string, 'MOUNT_ATTR_NOATIME' | 'MOUNT_ATTR_STRICTATIME' | 'relatime'>> = {
  noatime: 'MOUNT_ATTR_NOATIME', strictatime: 'MOUNT_ATTR_STRICTATIME', relatime: 'relatime', atime: 'relatime', norelatime: 'relatime', nostrictatime: 'relatime',
};

const PROPAGATION: Readonly<Record<string, MountPropagation['flag']>> = { private: 'MS_PRIVATE', shared: 'MS_SHARED', slave: 'MS_SLAVE', unbindable: 'MS_UNBINDABLE' };

/** Words that ask for nothing: `defaults`, and two that only concern kernel messages of mount(2). */
const NOTHING = new Set(['defaults', 'silent', 'loud']);

const REFUSED: Readonly<Record<string, string>> = {
  remount: 'each mount is made once, with its final attributes',
  tmpcopyup: 'a tmpfs starts empty; tsc-box-runtime copies',
  idmap: 'mounts with id mappings of their own are not built',
  ridmap: 'mounts with id mappings of their own are not built',
};

/** One level, attributes by name, so that a later option overrides an earlier one. */
interface Attributes {
  readonly flags: Map<string, boolean>;
  atime: (typeof ATIME)[string] | undefined;
}

/** True for a word that says how to mount, not an option of the file system. */
export function isMountFlag(option: string): boolean {
  const bare = option.replace(/^r(?=.)/, '');
  const known = (word: string): boolean => Object.hasOwn(ATTRIBUTES, word) || Object.hasOwn(ATIME, word) || Object.hasOwn(PROPAGATION, word);
  return known(option) || known(bare) || option === 'bind' || option === 'rbind' || NOTHING.has(option);
}

/**
 * Sorts mount options. Later ones override earlier ones.
 * @throws UnsupportedError for the options of the specification that are not built: remount, tmpcopyup, idmap, ridmap.
 */
export function parseMountOptions(options: readonly string[]): ParsedMountOptions {
  const own: Attributes = { flags: new Map(), atime: undefined };
  const tree: Attributes = { flags: new Map(), atime: undefined };
  const data: string[] = [];
  let propagation: MountPropagation | undefined;
  let bind = false;
  let recursiveBind = false;
  for (const option of options) {
    const refusal = Object.hasOwn(REFUSED, option) ? REFUSED[option] : undefined;
    if (refusal !== undefined) throw new UnsupportedError({ attempted: `mount with the option "${option}"`, detail: refusal });
    if (option === '' || NOTHING.has(option)) continue;
    if (option === 'bind' || option === 'rbind') {
      bind = true;
      recursiveBind = recursiveBind || option === 'rbind';
    } else if (!applyAttribute(own, option) && !(option.startsWith('r') && applyAttribute(tree, option.slice(1)))) {
      const asPropagation = parsePropagation(option);
      if (asPropagation === undefined) data.push(option);
      else propagation = asPropagation;
    }
  }
  const [set, clear] = collect(own);
  const [recursiveSet, recursiveClear] = collect(tree);
  return { set, clear, recursiveSet, recursiveClear, ...(propagation === undefined ? {} : { propagation }), bind, recursiveBind, data };
}

/** `slave` and `rslave`: mount_namespaces(7), "Shared subtrees". Undefined: not a propagation. */
export function parsePropagation(option: string): MountPropagation | undefined {
  const recursive = option.startsWith('r') && Object.hasOwn(PROPAGATION, option.slice(1));
  const word = recursive ? option.slice(1) : option;
  const flag = Object.hasOwn(PROPAGATION, word) ? PROPAGATION[word] : undefined;
  return flag === undefined ? undefined : { flag, recursive };
}

function applyAttribute(attributes: Attributes, option: string): boolean {
  if (Object.hasOwn(ATIME, option)) {
    attributes.atime = ATIME[option];
    return true;
  }
  const found = Object.hasOwn(ATTRIBUTES, option) ? ATTRIBUTES[option] : undefined;
  if (found === undefined) return false;
  attributes.flags.set(found[0], found[1]);
  return true;
}

function collect({ flags, atime }: Attributes): [set: string[], clear: string[]] {
  const set = [...flags].filter(([, on]) => on).map(([name]) => name);
  const clear = [...flags].filter(([, on]) => !on).map(([name]) => name);
  if (atime !== undefined) {
    clear.push('MOUNT_ATTR__ATIME');
    if (atime !== 'relatime') set.push(atime);
  }
  return [set, clear];
}
