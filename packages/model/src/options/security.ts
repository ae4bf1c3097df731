/** `--security-opt`: docs.docker.com "Security configuration"; seccomp(2); proc(5) for the paths hidden by default. */
import { UnsupportedError, UsageError } from '../errors/box-error.ts';
import { bad } from '../spec/check.ts';
import { defaultSeccompProfile } from '../spec/seccomp-default.ts';
import { resolveSeccompFile } from '../spec/seccomp-file.ts';
import type { SpecSeccomp } from '../spec/spec.ts';
import { cleanPath, isWithin, resolvePath } from './paths.ts';
import type { OptionContext, RunOptions } from './run-options.ts';

/** Files that tell of, or reach into, the whole machine: the same as docker's. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/acpi', '/proc/asound', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/sched_debug', '/proc/scsi', '/proc/timer_list', '/proc/timer_stats',
  '/sys/devices/virtual/powercap', '/sys/firmware',
];
export const READONLY_PATHS: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** A path as typed; `default` and `unconfined`. */
  readonly seccomp: { readonly kind: 'default' } | { readonly kind: 'unconfined' } | { readonly kind: 'file'; readonly path: string };
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
}

interface Draft {
  noNewPrivileges: boolean;
  seccomp: SecurityOptions['seccomp'];
  masked: string[];
  readonly: string[];
}

const ALLOWED = 'no-new-privileges[=true|false], seccomp=unconfined|builtin|FILE, systempaths=unconfined, mask=PATH[:PATH…], unmask=ALL|PATH[:PATH…], apparmor=unconfined, label=disable';

/**
 * @throws UsageError for unknown words, UnsupportedError for profiles and labels that are not applied.
 */
export function parseSecurityOptions(options: RunOptions, context: OptionContext): SecurityOptions {
  const open = options.privileged === true;
  const draft: Draft = { noNewPrivileges: false, seccomp: open ? { kind: 'unconfined' } : { kind: 'default' }, masked: open ? [] : [...MASKED_PATHS], readonly: open ? [] : [...READONLY_PATHS] };
  for (const text of options.securityOpt ?? []) {
    // Both `key=value` and the older `key:value` are docker's.
    const match = /^([a-z-]+)(?:[=:](.*))?$/s.exec(text);
    const key = match?.[1] ?? '';
    const apply = Object.hasOwn(HANDLERS, key) ? HANDLERS[key] : undefined;
    if (apply === undefined) throw new UsageError({ attempted: 'read --security-opt', detail: `found "${text}", allowed: ${ALLOWED}` });
    apply(draft, match?.[2], context, text);
  }
  draft.masked.push(...(options.hiddenPaths ?? []).map((path) => absolutePath('--hide', path)));
  draft.readonly.push(...(options.readOnlyPaths ?? []).map((path) => absolutePath('--read-only-path', path)));
  return { noNewPrivileges: draft.noNewPrivileges, seccomp: draft.seccomp, maskedPaths: draft.masked, readonlyPaths: draft.readonly };
}

const HANDLERS: Readonly<Record<string, (draft: Draft, value: string | undefined, context: OptionContext, text: string) => void>> = {
  'no-new-privileges': (draft, value, _, text) => {
    if (value !== undefined && value !== 'true' && value !== 'false') throw wrong(text, 'no-new-privileges, no-new-privileges=true, no-new-privileges=false');
    draft.noNewPrivileges = value !== 'false';
  },
  seccomp: (draft, value = '', _, text) => {
    if (value === '') throw wrong(text, 'seccomp=unconfined, seccomp=builtin, seccomp=FILE');
    draft.seccomp = value === 'unconfined' ? { kind: 'unconfined' } : value === 'builtin' ? { kind: 'default' } : { kind: 'file', path: value };
  },
  apparmor: (_, value = '', { facts }, text) => {
    if (value === 'unconfined') return;
    if (value === '') throw wrong(text, 'apparmor=unconfined');
    throw new UnsupportedError({ attempted: `read --security-opt ${text}`, detail: facts.lsm.includes('apparmor') ? 'AppArmor profiles are not applied by this version, allowed: apparmor=unconfined' : 'this kernel has no AppArmor' });
  },
  label: (_, value = '', { facts }, text) => {
    if (value === 'disable') return;
    if (value === '') throw wrong(text, 'label=disable');
    throw new UnsupportedError({ attempted: `read --security-opt ${text}`, detail: facts.lsm.includes('selinux') ? 'SELinux labels are not applied by this version, allowed: label=disable' : 'this kernel has no SELinux' });
  },
  systempaths: (draft, value, _, text) => {
    if (value !== 'unconfined') throw wrong(text, 'systempaths=unconfined');
    draft.masked = [];
    draft.readonly = [];
  },
  mask: (draft, value = '', _, text) => {
    draft.masked.push(...readPaths(value, text));
  },
  unmask: (draft, value = '', _, text) => {
    const paths = value === 'ALL' ? ['/'] : readPaths(value, text);
    const keep = (path: string): boolean => !paths.some((unmasked) => isWithin(path, unmasked));
    draft.masked = draft.masked.filter(keep);
    draft.readonly = draft.readonly.filter(keep);
  },
};

function absolutePath(flag: string, path: string): string {
  if (!path.startsWith('/') || cleanPath(path) === '/') throw new UsageError({ attempted: `read ${flag}`, detail: `found "${path}", allowed: absolute paths below /` });
  return cleanPath(path);
}

function wrong(text: string, allowed: string): UsageError {
  return new UsageError({ attempted: 'read --security-opt', detail: `found "${text}", allowed: ${allowed}` });
}

/** `/a:/b*`: a star at the end is podman's "and whatever starts so", which `isWithin` covers for directories. */
function readPaths(value: string, text: string): string[] {
  const paths = value.split(':');
  if (paths.some((path) => !path.startsWith('/'))) throw wrong(text, 'absolute paths with colons between them');
  return paths.map((path) => cleanPath(path.replace(/\/\*$/, '')));
}

/**
 * The filter to load; undefined for none, with a warning where one was wanted by default but this host can't load it.
 * @throws UsageError when the file is missing or no JSON; SpecError for a wrong field; UnsupportedError where a file is asked for that can't be loaded here.
 */
export function chooseSeccomp(security: SecurityOptions, capabilities: readonly string[], context: OptionContext, warnings: string[]): SpecSeccomp | undefined {
  const { facts } = context;
  const wanted = security.seccomp;
  if (wanted.kind === 'unconfined') return undefined;
  const lacking = !facts.seccomp.filter ? 'this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)' : facts.seccomp.libseccomp === undefined ? 'libseccomp is not installed' : undefined;
  const hint = facts.seccomp.filter ? 'install libseccomp (package libseccomp2 or libseccomp)' : undefined;
  if (wanted.kind === 'default') {
    if (lacking === undefined) return defaultSeccompProfile(capabilities, facts.architecture, facts.kernel);
    warnings.push(`no seccomp filter is loaded: ${lacking}${hint === undefined ? '' : `; ${hint}`}`);
    return undefined;
  }
  if (lacking !== undefined) throw new UnsupportedError({ attempted: `load the seccomp profile "${wanted.path}"`, detail: lacking, hint });
  return readProfile(wanted.path, capabilities, context);
}

function readProfile(typed: string, capabilities: readonly string[], context: OptionContext): SpecSeccomp {
  const path = resolvePath(context.cwd, typed);
  const attempted = `read the seccomp profile "${path}"`;
  const text = context.readHostFile(path);
  if (text === undefined) throw new UsageError({ attempted, path, detail: 'found no such file, allowed: unconfined, builtin, or a file that is there' });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UsageError({ attempted, path, detail: `found no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause });
  }
  if (typeof value !== 'object') throw bad('linux.seccomp', value, 'an object');
  return resolveSeccompFile(value, { capabilities, architecture: context.facts.architecture, kernel: context.facts.kernel });
}
