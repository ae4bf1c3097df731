import { describe, expect, it } from 'vitest';
import { resolveGroup, resolveUser } from './users.ts';

const files = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\nsync:x:4:65534:sync:/bin:/bin/sync\n# a comment\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\nnohome:x:1001:1001:::\n',
  group: 'root:x:0:\nwheel:x:10:root,alice\naudio:x:29:alice\nalice:x:1000:\nusers:x:100:alice,bob\n',
};
const nothing = { passwd: undefined, group: undefined };

describe('users', () => {
  it.each([
    ['nothing is root', undefined, { uid: 0, gid: 0, groups: [10], home: '/root', username: 'root' }],
    ['a name', 'alice', { uid: 1000, gid: 1000, groups: [10, 29, 100], home: '/home/alice', username: 'alice' }],
    ['a number that has an entry', '1000', { uid: 1000, gid: 1000, groups: [10, 29, 100], home: '/home/alice', username: 'alice' }],
    ['case 51: a user only, with the primary group of passwd', 'sync', { uid: 4, gid: 65534, groups: [], home: '/bin', username: 'sync' }],
    ['case 50: an unknown number has / as its home', '4242', { uid: 4242, gid: 0, groups: [], home: '/' }],
    ['an entry without a home has /', 'nohome', { uid: 1001, gid: 1001, groups: [], home: '/', username: 'nohome' }],
    ['user and group: no groups of its own', 'alice:audio', { uid: 1000, gid: 29, groups: [], home: '/home/alice', username: 'alice' }],
    ['numbers for both', '7:8', { uid: 7, gid: 8, groups: [], home: '/' }],
    ['a group only', ':users', { uid: 0, gid: 100, groups: [], home: '/root', username: 'root' }],
  ])('%s', (_, text, expected) => {
    expect(resolveUser(text, files)).toEqual(expected);
  });

  it('case 51: numbers need no files at all', () => {
    expect(resolveUser('1000:1000', nothing)).toEqual({ uid: 1000, gid: 1000, groups: [], home: '/' });
    expect(resolveUser(undefined, nothing)).toEqual({ uid: 0, gid: 0, groups: [], home: '/' });
    expect(resolveGroup('44', undefined)).toBe(44);
  });

  it('a name that is not there is refused, with the file it was looked up in', () => {
    expect(() => resolveUser('nobody', files)).toThrow(expect.objectContaining({ code: 'ERR_TSCBOX_USER_NOT_FOUND', path: '/etc/passwd', attempted: 'find the user "nobody"' }));
    expect(() => resolveUser('alice:nope', files)).toThrow('/etc/group of the container has no such group');
    expect(() => resolveUser('bob', nothing)).toThrow('the container has no /etc/passwd');
  });

  it.each(['-1', '4294967295', '1e3', '0x10', ' 5'])('%j is no number of a user', (text) => {
    expect(() => resolveUser(text, files)).toThrow('find the user');
  });
});
