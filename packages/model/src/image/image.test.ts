import { anything, assert, constantFrom, property, record, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoxError } from '../errors/box-error.ts';
import { choosePlatform, familiarReference, formatPlatform, formatReference, MEDIA_TYPES, parseDigest, parseManifest, parsePlatform, parseReference, platformRank, type Descriptor } from './index.ts';

const HEX = 'a'.repeat(64);
const DIGEST = `sha256:${HEX}`;

function failure(run: () => unknown): BoxError {
  try {
    run();
  } catch (error) {
    if (error instanceof BoxError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('references', () => {
  it.each([
    ['debian', 'docker.io/library/debian:latest', 'debian:latest'],
    ['debian:12', 'docker.io/library/debian:12', 'debian:12'],
    ['me/app', 'docker.io/me/app:latest', 'me/app:latest'],
    ['index.docker.io/debian', 'docker.io/library/debian:latest', 'debian:latest'],
    ['docker.io/me/app:v1', 'docker.io/me/app:v1', 'me/app:v1'],
    ['localhost/x', 'localhost/x:latest', 'localhost/x:latest'],
    ['localhost:5000/x', 'localhost:5000/x:latest', 'localhost:5000/x:latest'],
    ['localhost:5000/x:y', 'localhost:5000/x:y', 'localhost:5000/x:y'],
    ['[::1]:5000/x', '[::1]:5000/x:latest', '[::1]:5000/x:latest'],
    ['quay.io/a/b/c:1.2-3_4', 'quay.io/a/b/c:1.2-3_4', 'quay.io/a/b/c:1.2-3_4'],
    [`debian@${DIGEST}`, `docker.io/library/debian@${DIGEST}`, `debian@${DIGEST}`],
    [`debian:12@${DIGEST}`, `docker.io/library/debian:12@${DIGEST}`, `debian:12@${DIGEST}`],
    ['debian:0x', 'docker.io/library/debian:0x', 'debian:0x'],
    ['a__b/c---d.e_f', 'docker.io/a__b/c---d.e_f:latest', 'a__b/c---d.e_f:latest'],
    ['Foo/bar', 'Foo/bar:latest', 'Foo/bar:latest'],
  ])('%s is %s and is shown as %s', (text, whole, short) => {
    const reference = parseReference(text);
    expect(formatReference(reference)).toBe(whole);
    expect(familiarReference(reference)).toBe(short);
    expect(parseReference(short)).toEqual(reference);
    expect(parseReference(whole)).toEqual(reference);
  });

  it.each([
    ['', /found nothing/], ['De bian', /blank/], ['Debian', /upper-case name "Debian"/], ['debian:', /found the tag ""/], ['debian:a/b', /registry "debian:a"/], ['debian:-x', /found the tag "-x"/],
    [`debian:${'x'.repeat(129)}`, /1 to 128/], ['debian@sha256:12', /64 lower-case hexadecimal/], ['debian@md5:12', /allowed algorithms/], ['debian@', /sha256:DIGITS/], [HEX, /64 hexadecimal/],
    ['https://x.org/a', /found an address/], ['-x', /name part "-x"/], ['a//b', /name part ""/], ['a/', /found no name|name part ""/], ['/a', /name part ""/], ['a..b', /name part "a\.\.b"/], ['a___b', /name part/],
    [`x.org/${'a'.repeat(256)}`, /256 characters, allowed: 255/], ['x.org:99999/a', /port 99999/], ['-x.org/a', /registry "-x.org"/], ['a:b:c', /found the tag "b:c"/], ['ä', /name part "ä"/],
  ])('%j is refused: %s', (text, pattern) => {
    const error = failure(() => parseReference(text));
    expect(error.code).toBe('ERR_TSCBOX_REFERENCE_INVALID');
    expect(error.message).toMatch(pattern);
    expect(error.message).toMatch(/allowed/);
  });

  it('an upper-case name gets the right spelling as a hint', () => {
    expect(failure(() => parseReference('x.org/MyApp:V1')).hint).toBe('write x.org/myapp:V1');
  });

  it('whatever parses is written and read back alike', () => {
    assert(property(string({ unit: constantFrom(...'ab0A.:/@_-[]'.split('')), maxLength: 20 }), (text) => {
      let reference;
      try {
        reference = parseReference(text);
      } catch (error) {
        expect(error).toBeInstanceOf(BoxError);
        return;
      }
      expect(parseReference(formatReference(reference))).toEqual(reference);
      expect(parseReference(familiarReference(reference))).toEqual(reference);
    }));
  });
});

describe('digests', () => {
  it('accepts sha256 and sha512 in lower case only', () => {
    expect(parseDigest(DIGEST)).toEqual({ algorithm: 'sha256', hex: HEX });
    expect(parseDigest(`sha512:${HEX}${HEX}`).algorithm).toBe('sha512');
    for (const text of [`sha256:${HEX.toUpperCase()}`, `sha256:${HEX}0`, HEX, 'sha1:ab', `sha256:../${HEX.slice(3)}`]) expect(() => parseDigest(text)).toThrow(BoxError);
  });
});

const descriptor = (extra: Partial<Descriptor> = {}): Descriptor => ({ mediaType: MEDIA_TYPES.ociLayerGzip, digest: DIGEST, size: 3, ...extra });
const config = descriptor({ mediaType: MEDIA_TYPES.ociConfig });

describe('manifests', () => {
  it('reads OCI and Docker manifests and indexes', () => {
    expect(parseManifest({ schemaVersion: 2, config, layers: [descriptor()] }).kind).toBe('manifest');
    expect(parseManifest({ schemaVersion: 2, manifests: [] }).kind).toBe('index');
    expect(parseManifest({ schemaVersion: 2, mediaType: MEDIA_TYPES.dockerManifest, config, layers: [] })).toMatchObject({ kind: 'manifest', mediaType: MEDIA_TYPES.dockerManifest });
    expect(parseManifest({ schemaVersion: 2, mediaType: MEDIA_TYPES.dockerList, manifests: [descriptor()] }, MEDIA_TYPES.dockerList).kind).toBe('index');
  });

  it.each([
    [{ schemaVersion: 2, config, layers: [], manifests: [] }, undefined, /not both/],
    [{ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, config, layers: [] }, undefined, /manifests/],
    [{ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [] }, MEDIA_TYPES.ociManifest, /as it was announced/],
    [{ schemaVersion: 2, config, layers: [descriptor({ digest: 'sha256:x' })] }, undefined, /layers\[0\]\.digest/],
    [{ schemaVersion: 2, config, layers: [descriptor({ size: -1 })] }, undefined, /layers\[0\]\.size/],
    [{ schemaVersion: 3, config, layers: [] }, undefined, /schemaVersion/],
    [{ schemaVersion: 2, mediaType: 'text/html', config, layers: [] }, undefined, /mediaType/],
    [[], undefined, /an object/],
  ])('refuses %j', (value, mediaType, pattern) => {
    const error = failure(() => parseManifest(value, mediaType));
    expect(error.code).toBe('ERR_TSCBOX_IMAGE_INVALID');
    expect(error.message).toMatch(pattern);
  });

  it('reads any JSON or refuses it with a typed error', () => {
    const part = record({ mediaType: anything(), digest: constantFrom(DIGEST, '', 3), size: anything() }, { requiredKeys: [] });
    const document = record({ schemaVersion: constantFrom(1, 2, '2'), mediaType: constantFrom(...Object.values(MEDIA_TYPES), undefined, 1), config: part, layers: constantFrom([], [config], null, {}), manifests: constantFrom(undefined, [], [config], 1) }, { requiredKeys: [] });
    const check = (value: unknown): void => {
      try {
        expect(parseManifest(value).schemaVersion).toBe(2);
      } catch (error) {
        expect(error).toBeInstanceOf(BoxError);
      }
    };
    assert(property(document, check));
    assert(property(anything(), check));
  });

  it('refuses schema 1 by name and says what to do', () => {
    const error = failure(() => parseManifest({ schemaVersion: 1, fsLayers: [], history: [] }, MEDIA_TYPES.dockerSchema1Signed));
    expect(error.code).toBe('ERR_TSCBOX_UNSUPPORTED');
    expect(error.message).toMatch(/schema 1/);
    expect(error.hint).toMatch(/skopeo/);
  });
});

describe('platforms', () => {
  it.each([['linux/amd64', 'linux/amd64'], ['linux/x86_64', 'linux/amd64'], ['aarch64', 'linux/arm64'], ['linux/arm64/v8', 'linux/arm64'], ['linux/arm/7', 'linux/arm/v7'], ['armel', 'linux/arm/v6'], ['Linux/ARM64', 'linux/arm64'], ['amd64', 'linux/amd64'], ['linux/amd64/v3', 'linux/amd64/v3']])('%s is %s', (text, whole) => {
    expect(formatPlatform(parsePlatform(text))).toBe(whole);
  });

  it('refuses what is no platform', () => {
    for (const text of ['', 'linux', 'linux/', 'a/b/c/d', 'linux/a b']) expect(() => parsePlatform(text)).toThrow(BoxError);
  });

  it('older variants run on newer machines, not the other way', () => {
    const rank = (wanted: string, offered: string): number | undefined => platformRank(parsePlatform(wanted), parsePlatform(offered));
    expect(rank('linux/arm/v7', 'linux/arm/v6')).toBe(6);
    expect(rank('linux/arm/v6', 'linux/arm/v7')).toBeUndefined();
    expect(rank('linux/amd64', 'linux/amd64/v3')).toBeUndefined();
    expect(rank('linux/amd64/v3', 'linux/amd64/v2')).toBe(2);
    expect(rank('linux/arm64', 'linux/arm64/v8')).toBe(8);
    expect(rank('linux/arm64', 'linux/amd64')).toBeUndefined();
    expect(rank('linux/s390x', 'linux/s390x')).toBe(0);
  });

  it('chooses the best of an index, and says what there is when none suits', () => {
    const of = (platform: string): Descriptor => descriptor({ mediaType: MEDIA_TYPES.ociManifest, platform: parsePlatform(platform) });
    const attestation = descriptor({ platform: { os: 'unknown', architecture: 'unknown' } });
    const all = [attestation, of('linux/arm/v6'), of('linux/arm/v7'), of('linux/amd64')];
    expect(choosePlatform(all, parsePlatform('linux/arm/v7'), 'x')).toBe(all[2]);
    expect(choosePlatform(all, parsePlatform('linux/amd64'), 'x')).toBe(all[3]);
    expect(choosePlatform([descriptor()], parsePlatform('linux/amd64'), 'x').platform).toBeUndefined();
    const error = failure(() => choosePlatform(all, parsePlatform('linux/s390x'), 'debian'));
    expect(error.code).toBe('ERR_TSCBOX_IMAGE_NOT_FOUND');
    expect(error.detail).toBe('it has linux/arm/v6, linux/arm/v7, linux/amd64');
  });
});
