/** Whatever is typed or read, a parser gives a value or a typed error, never a TypeError, and never hangs. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoxError } from '../errors/box-error.ts';
import { parseImageConfig } from '../spec/image-config.ts';
import { parseMountOptions } from '../spec/mount-options.ts';
import { parseUlimit } from '../spec/rlimits.ts';
import { resolveSeccompFile } from '../spec/seccomp-file.ts';
import { parseSignal } from '../spec/signals.ts';
import { resolveGroup, resolveUser } from '../spec/users.ts';
import { parseSpec } from '../spec/validate.ts';
import { testContext, USER_FACTS } from './context.testing.ts';
import { parseDevice } from './devices.ts';
import { parseEnvFile, parseEnvOption } from './env.ts';
import { parseAddHost, parseDns } from './etc-files.ts';
import { checkCpuset, parseCpus, parseDurationMs, parseOctal, parseSize } from './numbers.ts';
import { specFromOptions } from './spec-from-options.ts';
import { parseMount, parseTmpfs, parseVolume, splitCsv } from './volumes.ts';

const context = testContext();
const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  parseVolume: (text) => parseVolume(text, context), parseMount: (text) => parseMount(text, context), parseTmpfs, splitCsv, parseDevice: (text) => parseDevice(text, context),
  parseEnvOption: (text) => parseEnvOption(text, {}), parseEnvFile: (text) => parseEnvFile(text, '/f', {}), parseSize: (text) => parseSize(text, '-m'), parseCpus: (text) => parseCpus(text, 2),
  parseDurationMs: (text) => parseDurationMs(text, '-t'), parseOctal: (text) => parseOctal(text, '--umask', 0o777), checkCpuset: (text) => checkCpuset(text, '--cpuset-cpus'), parseUlimit, parseSignal,
  parseAddHost, parseDns, resolveUser: (text) => resolveUser(text, { passwd: text, group: text }), resolveGroup: (text) => resolveGroup(text, text), parseMountOptions: (text) => parseMountOptions(text.split(',')),
};

/** True when it gave a value or a typed error. */
function isTame(call: () => unknown): boolean {
  try {
    call();
    return true;
  } catch (error) {
    if (error instanceof BoxError) return true;
    throw error;
  }
}

/** Strings near what the parsers look for, so that more than the first check is reached. */
const nearText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.array(fc.constantFrom('/', ':', ',', '=', '-', '..', 'ro', 'type', 'bind', 'tmpfs', 'src', '/srv', '"', '1', '9', 'm', ' ', '\n', '\0', '__proto__', 'nofile', 'size', 'rbind', 'é', '[', ']')).map((parts) => parts.join('')));

describe('random input', () => {
  it.each(Object.keys(PARSERS))('%s gives a value or a typed error', (name) => {
    fc.assert(fc.property(nearText, (text) => isTame(() => PARSERS[name]?.(text))), { numRuns: 300 });
  });

  const field = fc.oneof(fc.jsonValue(), fc.constantFrom(null, '', '/', 0, -1, 2 ** 64, [], {}));
  const record = (keys: readonly string[], value: fc.Arbitrary<unknown>) => fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 5 });
  const specLike = fc.record({
    ociVersion: fc.constantFrom('1.0.2', '1.2.0', ''), process: record(['cwd', 'args', 'env', 'user', 'rlimits', 'capabilities', 'scheduler', 'oomScoreAdj'], field), mounts: fc.array(record(['destination', 'type', 'options', 'uidMappings'], field), { maxLength: 3 }),
    linux: record(['namespaces', 'uidMappings', 'devices', 'resources', 'seccomp', 'sysctl', 'timeOffsets', 'maskedPaths', 'personality'], field), hostname: field,
  }, { requiredKeys: ['ociVersion'] });

  it('parseSpec, image configurations and seccomp files give a value or a typed error', () => {
    const given = { capabilities: [], architecture: 'x64', kernel: [6, 1] } as const;
    fc.assert(fc.property(fc.oneof(specLike, fc.jsonValue()), (value) => isTame(() => parseSpec(value)) && isTame(() => parseImageConfig(value)) && isTame(() => resolveSeccompFile(value, given))), { numRuns: 1000 });
  });

  it('a spec that is accepted is accepted again, unchanged', () => {
    fc.assert(fc.property(specLike, (value) => {
      let first;
      try {
        first = parseSpec(value).spec;
      } catch {
        return true;
      }
      expect(parseSpec(JSON.parse(JSON.stringify(first)))).toEqual({ spec: first, warnings: [] });
      return true;
    }), { numRuns: 1000 });
  });

  it('options of any text give a valid spec or a typed error', () => {
    const options = fc.record({
      user: nearText, workdir: nearText, hostname: nearText, memory: nearText, cpus: nearText, volumes: fc.array(nearText, { maxLength: 2 }), tmpfs: fc.array(nearText, { maxLength: 1 }), env: fc.array(nearText, { maxLength: 2 }),
      labels: fc.array(nearText, { maxLength: 2 }), sysctls: fc.array(nearText, { maxLength: 1 }), securityOpt: fc.array(nearText, { maxLength: 1 }), network: nearText, cgroupParent: nearText,
    }, { requiredKeys: [] });
    fc.assert(fc.property(options, fc.boolean(), (value, root) => isTame(() => {
      const { spec } = specFromOptions(value, ['true'], undefined, root ? context : testContext({ facts: USER_FACTS }));
      expect(parseSpec(JSON.parse(JSON.stringify(spec))).spec).toEqual(spec);
    })), { numRuns: 500 });
  });
});
