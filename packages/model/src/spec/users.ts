/**
 * Users and groups, looked up in the container's own files: passwd(5), group(5). The rules are docker's:
 * a name or a number, `user:group`, numbers need no entry, an explicit group means no groups of the user's own.
 */
import { BoxError } from '../errors/box-error.ts';

export interface UserFiles {
  /** Text of the container's /etc/passwd and /etc/group; undefined where there is none. */
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** Groups that list the user, in the order of the file; none when a group was given explicitly. */
  readonly groups: readonly number[];
  readonly home: string;
  /** Absent when passwd has no entry for the uid. */
  readonly username?: string;
}

interface PasswdEntry { readonly name: string; readonly uid: number; readonly gid: number; readonly home: string }
interface GroupEntry { readonly name: string; readonly gid: number; readonly members: readonly string[] }

/** The kernel keeps 2^32-1 for "no change": setresuid(2). */
const ID_MAX = 0xffff_fffe;

/**
 * `user`, `uid`, `user:group`, `uid:gid` and so on; undefined or empty is root.
 * @throws BoxError ERR_TSCBOX_USER_NOT_FOUND for a name that is not in the files.
 */
export function resolveUser(text: string | undefined, files: UserFiles): ResolvedUser {
  const [userPart, groupPart] = splitUser(text ?? '');
  const user = findUser(userPart, files.passwd);
  const home = user.entry?.home ?? '';
  const base = { uid: user.uid, home: home === '' ? '/' : home, ...(user.entry === undefined ? {} : { username: user.entry.name }) };
  if (groupPart !== '') return { ...base, gid: resolveGroup(groupPart, files.group), groups: [] };
  const name = user.entry?.name;
  const groups = name === undefined ? [] : parseGroup(files.group).filter((group) => group.members.includes(name)).map((group) => group.gid);
  return { ...base, gid: user.entry?.gid ?? 0, groups: [...new Set(groups)] };
}

/**
 * A group by name or number, as `--group-add` takes it.
 * @throws BoxError ERR_TSCBOX_USER_NOT_FOUND for a name that is not in the file.
 */
export function resolveGroup(text: string, groupFile: string | undefined): number {
  const entry = parseGroup(groupFile).find((group) => group.name === text);
  const gid = entry?.gid ?? parseId(text);
  if (gid !== undefined) return gid;
  throw notFound('group', text, '/etc/group', groupFile === undefined);
}

function splitUser(text: string): [user: string, group: string] {
  const colon = text.indexOf(':');
  return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
}

function findUser(text: string, passwd: string | undefined): { readonly uid: number; readonly entry?: PasswdEntry } {
  const entries = parsePasswd(passwd);
  const wanted = text === '' ? 0 : parseId(text);
  const entry = entries.find((candidate) => candidate.name === text) ?? entries.find((candidate) => candidate.uid === wanted);
  if (entry !== undefined) return { uid: entry.uid, entry };
  if (wanted !== undefined) return { uid: wanted };
  throw notFound('user', text, '/etc/passwd', passwd === undefined);
}

function notFound(kind: 'user' | 'group', name: string, path: string, missing: boolean): BoxError {
  return new BoxError({
    code: 'ERR_TSCBOX_USER_NOT_FOUND', attempted: `find the ${kind} "${name}"`, path,
    detail: missing ? `the container has no ${path}` : `${path} of the container has no such ${kind}`,
    hint: `use a number (0 to ${ID_MAX}): it needs no entry`,
  });
}

function parseId(text: string): number | undefined {
  const id = Number(text);
  return /^\d{1,10}$/.test(text) && id <= ID_MAX ? id : undefined;
}

function parsePasswd(text: string | undefined): PasswdEntry[] {
  return fieldsOf(text).flatMap(([name, , uidText, gidText, , home]) => {
    const uid = parseId(uidText ?? '');
    const gid = parseId(gidText ?? '');
    return name === undefined || name === '' || uid === undefined || gid === undefined ? [] : [{ name, uid, gid, home: home ?? '' }];
  });
}

function parseGroup(text: string | undefined): GroupEntry[] {
  return fieldsOf(text).flatMap(([name, , gidText, members]) => {
    const gid = parseId(gidText ?? '');
    return name === undefined || name === '' || gid === undefined ? [] : [{ name, gid, members: (members ?? '').split(',').map((member) => member.trim()) }];
  });
}

/** Lines that can't be read are passed over, as getpwent(3) does: the file is the image's, not the user's. */
function fieldsOf(text: string | undefined): string[][] {
  return (text ?? '').split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split(':'));
}
