import { describe, expect, it } from 'vitest';
import { isMountFlag, parseMountOptions } from './mount-options.ts';

const none = { set: [], clear: [], recursiveSet: [], recursiveClear: [], bind: false, recursiveBind: false, data: [] };

describe('mount options', () => {
  it.each([
    ['attributes are set and cleared', ['nosuid', 'nodev', 'exec'], { set: ['MOUNT_ATTR_NOSUID', 'MOUNT_ATTR_NODEV'], clear: ['MOUNT_ATTR_NOEXEC'] }],
    ['a later option overrides an earlier one', ['ro', 'rw'], { clear: ['MOUNT_ATTR_RDONLY'] }],
    ['r before an attribute means the whole tree', ['rro', 'rnosuid', 'rrw'], { recursiveSet: ['MOUNT_ATTR_NOSUID'], recursiveClear: ['MOUNT_ATTR_RDONLY'] }],
    ['an access time clears the whole field first', ['noatime'], { set: ['MOUNT_ATTR_NOATIME'], clear: ['MOUNT_ATTR__ATIME'] }],
    ['relatime is the zero of the field', ['strictatime', 'relatime'], { clear: ['MOUNT_ATTR__ATIME'] }],
    ['rrelatime is for the tree', ['rrelatime'], { recursiveClear: ['MOUNT_ATTR__ATIME'] }],
    ['bind', ['bind'], { bind: true }],
    ['rbind is a bind of the whole tree', ['rbind', 'rslave'], { bind: true, recursiveBind: true, propagation: { flag: 'MS_SLAVE', recursive: true } }],
    ['the last propagation counts', ['rprivate', 'shared'], { propagation: { flag: 'MS_SHARED', recursive: false } }],
    ['what is not an attribute belongs to the file system', ['mode=755', 'size=64k', 'sync', 'newinstance'], { data: ['mode=755', 'size=64k', 'sync', 'newinstance'] }],
    ['defaults asks for nothing', ['defaults', ''], {}],
    ['names of Object.prototype are not options', ['constructor', 'rconstructor'], { data: ['constructor', 'rconstructor'] }],
  ] as const)('%s', (_, options, expected) => {
    expect(parseMountOptions(options)).toEqual({ ...none, ...expected });
  });

  it.each(['remount', 'tmpcopyup', 'idmap', 'ridmap'])('%s is refused by name', (option) => {
    expect(() => parseMountOptions([option])).toThrow(`mount with the option "${option}"`);
  });

  it('knows flags from file system options', () => {
    expect(['ro', 'rro', 'rslave', 'rbind', 'relatime', 'rrelatime'].every(isMountFlag)).toBe(true);
    expect(['size=1m', 'r', 'mode=1777', 'rsize=4096'].some(isMountFlag)).toBe(false);
  });
});
