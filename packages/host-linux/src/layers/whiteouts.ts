/** Whiteouts on disk: character devices 0:0, or where those are refused (in a container on overlayfs) empty files with an attribute (L4). */
import { closeSync } from 'node:fs';
import { release } from 'node:os';
import { UnsupportedError } from '@tsc-box/model';
import { setOverlayXattr } from './attributes.ts';
import { errnoOf } from './host-errors.ts';
import { createFile, makeNode } from './syscalls.unsafe.ts';

const S_IFCHR = 0o020000;

export class WhiteoutWriter {
  #devices = true;
  readonly #parents = new Set<string>();

  /** `parent` is open as `fd`. */
  make(fd: number, name: string, parent: string): void {
    if (this.#devices) {
      try {
        // Mode 0, as the kernel's own. Needs no privilege since Linux 5.8.
        return makeNode(fd, name, S_IFCHR, 0, 0);
      } catch (error) {
        if (errnoOf(error) !== 'EPERM') throw error;
        this.#devices = false;
      }
    }
    this.#makeFile(fd, name);
    this.#parents.add(parent);
  }

  /** True when the directory needs the mark "x": lookups in it then look for the attribute. */
  needsMark(path: string): boolean {
    return this.#parents.has(path);
  }

  #makeFile(fd: number, name: string): void {
    const refuse = (reason: string): never => {
      throw new UnsupportedError({ attempted: 'unpack a layer that removes files', reason, hint: 'use --root DIR on ext4, xfs or btrfs, outside a container' });
    };
    if (!hasXattrWhiteouts(release())) refuse('character devices 0:0 are refused here, and whiteouts without them came with Linux 6.7');
    closeSync(createFile(fd, name));
    if (!setOverlayXattr(fd, name, 'whiteout', 'y')) refuse('character devices 0:0 and overlay attributes are refused here');
  }
}

function hasXattrWhiteouts(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 7);
}
