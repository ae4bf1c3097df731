import { describe, expect, it } from 'vitest';
import { parseSource } from './source.ts';

describe('parseSource', () => {
  it.each([
    ['host', { kind: 'host' }],
    ['oci:dir', { kind: 'oci', directory: '/w/dir' }],
    ['oci:/a/b:1.0', { kind: 'oci', directory: '/a/b', tag: '1.0' }],
    ['oci:../x:localhost/a:1', { kind: 'oci', directory: '/x', tag: 'localhost/a:1' }],
    ['docker-archive:a.tar', { kind: 'docker-archive', file: '/w/a.tar' }],
    ['docker-archive:a.tar:busybox:1', { kind: 'docker-archive', file: '/w/a.tar', reference: 'busybox:1' }],
    ['docker-archive:a.tar:@2', { kind: 'docker-archive', file: '/w/a.tar', reference: '@2' }],
  ])('reads %s', (text, source) => expect(parseSource(text, '/w')).toEqual(source));

  it.each(['', 'oci:', 'oci::tag', 'oci:dir:', 'docker-archive:', 'OCI:dir', 'tar:x', 'hosts', 'oci:a\0b'])('refuses %j with what is allowed', (text) => {
    expect(() => parseSource(text, '/w')).toThrow(expect.objectContaining({ code: 'ERR_TSCBOX_USAGE', detail: expect.stringContaining('oci:DIR[:TAG]') as string }) as Error);
  });

  it('says how to get an image from a registry', () => {
    expect(() => parseSource('docker://alpine:3', '/w')).toThrow(expect.objectContaining({ hint: expect.stringContaining('skopeo copy docker://alpine:3 oci:') as string }) as Error);
    expect(() => parseSource('debian', '/w')).toThrow(expect.objectContaining({ hint: expect.stringContaining('docker://debian ') as string }) as Error);
  });
});
