/**
 * Names are symbolic links `names/NAME`: made in one call, and only one maker can win. The target is the id (in base64url) and who
 * made it: a container is claimed before anything else of it is there, so what a crash leaves can be told from what is just being made.
 * ext4 keeps a target of less than 60 bytes in the inode; a longer one takes a block, whose release is slow.
 */
import { readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import { BoxError, type ProcessIdentity, type System } from '@tsc-box/model';
import { identityText, launcherIdentity, parseIdentity } from './identity.ts';
import { randomName } from './names.ts';

export interface Claim {
  readonly id: string;
  readonly maker: ProcessIdentity;
}

/** Characters of 32 bytes in base64url. */
const ID_LENGTH = 43;

/** `isMade`: whether the container of an id is there. @throws BoxError ERR_TSCBOX_NAME_IN_USE */
export function claimName(directory: string, id: string, wanted: string | undefined, system: Pick<System, 'isAlive'>, isMade: (id: string) => boolean): string {
  const target = `${Buffer.from(id, 'hex').toString('base64url')}.${identityText(launcherIdentity())}`;
  for (let attempt = 0; ; attempt += 1) {
    const name = wanted ?? randomName(attempt);
    const path = `${directory}/${name}`;
    try {
      symlinkSync(target, path);
      return name;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const claim = readClaim(path);
    if (claim === undefined) continue;
    if (!isMade(claim.id) && !isAlive(system, claim.maker)) unlinkQuietly(path);
    else if (wanted !== undefined) {
      throw new BoxError({ code: 'ERR_TSCBOX_NAME_IN_USE', attempted: `name the container "${name}"`, detail: `container ${claim.id.slice(0, 12)} has that name`, hint: `remove it with: tsc-box rm ${name}` });
    }
  }
}

/** Undefined where there is none. */
export function readClaim(path: string): Claim | undefined {
  let target: string;
  try {
    target = readlinkSync(path);
  } catch {
    return undefined;
  }
  const maker = parseIdentity(target.slice(ID_LENGTH + 1));
  return maker === undefined ? undefined : { id: Buffer.from(target.slice(0, ID_LENGTH), 'base64url').toString('hex'), maker };
}

/** Not when it has been claimed anew since. */
export function releaseName(directory: string, id: string, name: string): void {
  const path = `${directory}/${name}`;
  if (readClaim(path)?.id === id) unlinkQuietly(path);
}

export function isAlive(system: Pick<System, 'isAlive'>, { pid, startTime }: ProcessIdentity): boolean {
  return system.isAlive(pid, startTime);
}

export function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
