import { describe, expect, it } from 'vitest';
import { specFromOptions } from '../options/spec-from-options.ts';
import type { OptionContext, RunOptions } from '../options/run-options.ts';
import { ROOT_FACTS } from '../plan/facts.testing.ts';
import { auditSpec } from './audit.ts';

const context: OptionContext = { id: '0'.repeat(64), facts: ROOT_FACTS, hostEnv: {}, cwd: '/', image: 'layers', readHostFile: () => undefined, readRootFile: () => undefined, hostPath: () => ({ kind: 'directory' }) };
const audit = (options: RunOptions) => auditSpec(specFromOptions(options, ['true'], undefined, context).spec);
const stateOf = (options: RunOptions, item: string) => audit(options).findLast((finding) => finding.item === item);

describe('auditSpec', () => {
  it('finds nothing severe in a container with the default options', () => {
    expect(audit({}).filter(({ severity }) => severity === 'high')).toEqual([]);
  });

  it.each([
    [{ pid: 'host' }, 'pid', 'shared', 'high'],
    [{ network: 'host' }, 'network', 'shared', 'medium'],
    [{}, 'network', 'isolated', 'none'],
    [{}, 'memory', 'unlimited', 'medium'],
    [{ memory: '64m' }, 'memory', 'limited', 'none'],
    [{ pidsLimit: '10' }, 'processes', 'limited', 'none'],
    [{ cpus: '0.5' }, 'cpu', 'limited', 'none'],
    [{ capAdd: ['SYS_ADMIN'] }, 'CAP_SYS_ADMIN', 'open', 'high'],
    [{ privileged: true }, 'seccomp', 'open', 'medium'],
    [{ privileged: true }, 'masked paths', 'open', 'medium'],
    [{ user: '1000' }, 'user', 'limited', 'none'],
    [{ volumes: ['/etc:/mnt'] }, '/mnt', 'shared', 'high'],
    [{ volumes: ['/srv:/mnt:ro'] }, '/mnt', 'shared', 'none'],
    [{ readOnly: true }, 'root', 'isolated', 'none'],
    [{}, 'wall clock', 'shared', 'none'],
  ] as const)('%j: %s is %s, %s', (options, item, state, severity) => {
    expect(stateOf(options, item)).toMatchObject({ state, severity });
  });

  it('names the flag that changes what is not as it could be', () => {
    expect(audit({ privileged: true, network: 'host' }).filter(({ severity, flag }) => severity !== 'none' && flag === undefined)).toEqual([]);
  });
});
