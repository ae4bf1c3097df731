/** Files that other tools on this machine make or ship must be readable as they are. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resolveSeccompFile } from './seccomp-file.ts';
import { parseSpec } from './validate.ts';

const PODMAN_PROFILE = '/usr/share/containers/seccomp.json';

function hasCommand(name: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((dir) => existsSync(join(dir, name)));
}

for (const [runtime, flags] of [['runc', []], ['runc', ['--rootless']], ['crun', []], ['crun', ['--rootless']]] as const) {
  it.skipIf(!hasCommand(runtime))(`reads what \`${[runtime, 'spec', ...flags].join(' ')}\` writes (needs ${runtime})`, () => {
    const dir = mkdtempSync(join(tmpdir(), 'tsc-box-spec-'));
    try {
      execFileSync(runtime, ['spec', ...flags], { cwd: dir });
      const file: unknown = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'));
      const { spec, warnings } = parseSpec(file);
      expect(warnings).toEqual([]);
      expect(spec).toEqual(file);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}

it.skipIf(!existsSync(PODMAN_PROFILE))(`reads podman's default seccomp profile (needs ${PODMAN_PROFILE})`, () => {
  const profile = resolveSeccompFile(JSON.parse(readFileSync(PODMAN_PROFILE, 'utf8')), { capabilities: ['CAP_SYS_ADMIN'], architecture: 'x64', kernel: [6, 1] });
  expect(profile.architectures).toEqual(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
  expect(profile.syscalls?.some((rule) => rule.names.includes('mount') && rule.action === 'SCMP_ACT_ALLOW')).toBe(true);
});
