import { describe, expect, it } from 'vitest';
import { ROOT_FACTS, testContext } from './context.testing.ts';
import { parseMount, parseTmpfs, parseVolume, splitCsv } from './volumes.ts';

const context = testContext();

describe('-v', () => {
  it.each([
    ['/srv:/data', '/srv', '/data', ['rbind', 'rprivate']],
    ['/srv:/data:ro', '/srv', '/data', ['rbind', 'rprivate', 'rro']],
    ['/srv:/data:bind,ro', '/srv', '/data', ['bind', 'rprivate', 'ro']],
    ['case 57: /srv:/data:rw,rslave', '/srv', '/data', ['rbind', 'rslave']],
    ['case 57: /srv:/data:shared', '/srv', '/data', ['rbind', 'shared']],
    ['/srv/:/a//b/../c/:z', '/srv', '/a/c', ['rbind', 'rprivate']],
    ['/srv:/data:noexec,cached', '/srv', '/data', ['rbind', 'rprivate', 'noexec']],
    ['./x:/data', '/home/alice/x', '/data', ['rbind', 'rprivate']],
    ['.:/data', '/home/alice', '/data', ['rbind', 'rprivate']],
  ])('%s', (text, source, destination, options) => {
    expect(parseVolume(text.replace(/^case \d+: /, ''), context).mount).toEqual({ destination, type: 'bind', source, options });
  });

  it('tells files, directories and what is missing apart', () => {
    expect(parseVolume('/etc/motd:/m', context).source).toEqual({ path: '/etc/motd', kind: 'file' });
    expect(parseVolume('/srv:/m', context).source).toEqual({ path: '/srv', kind: 'directory' });
    expect(parseVolume('/nope:/m', context).source).toEqual({ path: '/nope', kind: 'missing' });
  });

  it.each([
    ['case 68: an empty one', '', 'found "", allowed: SOURCE:DESTINATION[:OPTIONS], both not empty'],
    ['case 68: an empty source', ':/vol', 'found ":/vol", allowed: SOURCE:DESTINATION[:OPTIONS], both not empty'],
    ['an empty destination', '/srv:', 'both not empty'],
    ['case 68: an anonymous volume', '/vol', 'anonymous volumes are not built'],
    ['a named volume', 'data:/vol', 'named volumes ("data") are not built'],
    ['a relative destination', '/srv:vol', 'found the destination "vol", allowed: an absolute path'],
    ['the root', '/srv:/', 'allowed: a path below /'],
    ['the root in other words', '/srv:/..', 'allowed: a path below /'],
    ['an unknown word', '/srv:/d:rx', 'found "rx", allowed: ro, rw'],
    ['both ro and rw', '/srv:/d:ro,rw', 'found ro and rw'],
    ['too many colons', '/srv:/d:ro:x', 'with 3 colons'],
  ])('refuses %s', (_, text, message) => {
    expect(() => parseVolume(text, context)).toThrow(message);
  });

  it('refuses to relabel where SELinux would want it', () => {
    expect(() => parseVolume('/srv:/d:Z', testContext({ facts: { ...ROOT_FACTS, lsm: ['selinux'] } }))).toThrow('not relabelled for SELinux');
  });
});

describe('--tmpfs', () => {
  it.each([
    ['case 55: sticky and open to all, with docker\'s flags', '/t', ['noexec', 'nosuid', 'nodev', 'mode=1777']],
    ['a flag takes the place of its opposite', '/t:exec,size=64k', ['nosuid', 'nodev', 'mode=1777', 'exec', 'size=64k']],
    ['a mode of its own', '/t:ro,mode=0700,uid=5', ['noexec', 'nosuid', 'nodev', 'ro', 'mode=700', 'uid=5']],
    ['sizes as docker writes them', '/t:size=1MiB', ['noexec', 'nosuid', 'nodev', 'mode=1777', 'size=1048576']],
    ['a size in percent', '/t:size=50%', ['noexec', 'nosuid', 'nodev', 'mode=1777', 'size=50%']],
  ])('%s', (_, text, options) => {
    expect(parseTmpfs(text).mount).toEqual({ destination: '/t', type: 'tmpfs', source: 'tmpfs', options });
  });
  it.each([['t', 'an absolute path'], ['', 'an absolute path'], ['/', 'a path below /'], ['/t:bogus', 'found "bogus"'], ['/t:mode=9', 'an octal number'], ['/t:size=q', 'a number of bytes']])('refuses %j', (text, message) => {
    expect(() => parseTmpfs(text)).toThrow(message);
  });
});

describe('--mount', () => {
  it.each([
    ['type=bind,source=/srv,target=/data', { type: 'bind', source: '/srv', options: ['rbind', 'rprivate'] }],
    ['type=bind,src=/srv,dst=/data,ro', { type: 'bind', source: '/srv', options: ['rbind', 'rprivate', 'rro'] }],
    ['type=bind,src=/srv,destination=/data,readonly=false', { type: 'bind', source: '/srv', options: ['rbind', 'rprivate'] }],
    ['type=bind,src=/srv,dst=/data,bind-propagation=rshared', { type: 'bind', source: '/srv', options: ['rbind', 'rshared'] }],
    ['type=bind,src=/srv,dst=/data,readonly,bind-recursive=writable', { type: 'bind', source: '/srv', options: ['rbind', 'rprivate', 'ro'] }],
    ['type=bind,src=/srv,dst=/data,readonly,bind-recursive=disabled', { type: 'bind', source: '/srv', options: ['bind', 'rprivate', 'ro'] }],
    ['type=bind,src=/srv,dst=/data,bind-nonrecursive', { type: 'bind', source: '/srv', options: ['bind', 'rprivate'] }],
    ['type=tmpfs,dst=/data,tmpfs-size=1m,tmpfs-mode=0700', { type: 'tmpfs', source: 'tmpfs', options: ['noexec', 'nosuid', 'nodev', 'mode=700', 'size=1048576'] }],
    ['type=tmpfs,dst=/data,readonly', { type: 'tmpfs', source: 'tmpfs', options: ['noexec', 'nosuid', 'nodev', 'mode=1777', 'ro'] }],
  ])('%s', (text, mount) => {
    expect(parseMount(text, context).mount).toEqual({ destination: '/data', ...mount });
  });
  it('reads quoted values, which may hold commas', () => {
    expect(splitCsv('type=bind,"src=/a,b","x=""q"""')).toEqual(['type=bind', 'src=/a,b', 'x="q"']);
    expect(parseMount('type=bind,"src=/a,b",dst=/data', testContext({}, { paths: { '/a,b': { kind: 'directory' } } })).mount.source).toBe('/a,b');
  });
  it.each([
    ['an unknown key', 'type=bind,src=/srv,dst=/d,color=red', 'found the key "color", allowed: type, source'],
    ['no type, which is a volume', 'src=data,dst=/d', 'found type "volume" (the default), allowed: bind, tmpfs'],
    ['a volume', 'type=volume,src=data,dst=/d', 'found type "volume", allowed: bind, tmpfs'],
    ['no target', 'type=tmpfs', 'found no target'],
    ['a source that is not there', 'type=bind,src=/nope,dst=/d', 'found no "/nope" on the host'],
    ['a source that is a name', 'type=bind,src=data,dst=/d', 'found source "data"'],
    ['keys of the other type', 'type=bind,src=/srv,dst=/d,tmpfs-size=1m', 'found "tmpfs-size" with type bind'],
    ['a source of a tmpfs', 'type=tmpfs,src=/srv,dst=/d', 'found a source with type tmpfs'],
    ['a key twice', 'type=tmpfs,dst=/d,target=/e', 'found "target" twice'],
    ['a key without value', 'type=bind,src,dst=/d', 'found "src" without a value'],
    ['a flag that is neither', 'type=tmpfs,dst=/d,ro=maybe', 'found ro=maybe'],
    ['a propagation that is none', 'type=bind,src=/srv,dst=/d,bind-propagation=x', 'found bind-propagation=x'],
    ['an open quote', 'type=bind,"src=/srv', 'found an open quote'],
  ])('refuses %s', (_, text, message) => {
    expect(() => parseMount(text, context)).toThrow(message);
  });
});
