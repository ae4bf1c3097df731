import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listFiles, readText, root } from './repository.ts';

const pages = listFiles().filter((file) => file.endsWith('.md') && !file.startsWith('.changeset/'));

/** GitHub's anchor of a heading. */
const anchor = (heading: string): string => heading.trim().toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');

function anchorsOf(page: string): ReadonlySet<string> {
  const text = readText(page).replaceAll(/^```[\s\S]*?^```/gm, '');
  return new Set([...text.matchAll(/^#{1,6}\s+(.+)$/gm)].map(([, heading]) => anchor(heading ?? '')));
}

/** Why a link is broken, or undefined. */
function broken(page: string, link: string): string | undefined {
  if (/^(https?:|mailto:)/.test(link)) return undefined;
  const [path = '', fragment] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(root, target))) return `${page}: there is no ${target}`;
  if (fragment !== undefined && target.endsWith('.md') && !anchorsOf(target).has(fragment)) return `${page}: ${target} has no heading #${fragment}`;
  return undefined;
}

describe('documentation', () => {
  it('every relative link leads somewhere', () => {
    const problems = pages.flatMap((page) => {
      const text = readText(page).replaceAll(/^```[\s\S]*?^```/gm, '');
      return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => broken(page, link ?? '')).filter((problem) => problem !== undefined);
    });
    expect(problems).toEqual([]);
  });

  it('reference/errors.md has a row for each error code, and no other', () => {
    const source = readText('packages/model/src/errors/box-error.ts');
    const declared = [...source.slice(source.indexOf('type ErrorCode'), source.indexOf('interface BoxErrorFields')).matchAll(/'(ERR_TSCBOX_\w+)'/g)].map(([, code]) => code);
    const documented = [...readText('docs/reference/errors.md').matchAll(/^\| `(ERR_TSCBOX_\w+)` \|/gm)].map(([, code]) => code);
    expect(declared.length).toBeGreaterThan(0);
    expect(new Set(documented)).toEqual(new Set(declared));
    expect(documented).toHaveLength(declared.length);
  });

  it('every error code used in a source is declared', () => {
    const declared = new Set(readText('packages/model/src/errors/box-error.ts').match(/ERR_TSCBOX_\w+/g));
    const unknown = listFiles('packages').filter((file) => file.endsWith('.ts')).flatMap((file) => (readText(file).match(/ERR_TSCBOX_\w+/g) ?? []).filter((code) => !declared.has(code)));
    expect(unknown).toEqual([]);
  });

  it('every decision is numbered, titled, and says what was decided', () => {
    const decisions = pages.filter((page) => page.startsWith('docs/decisions/'));
    expect(decisions.length).toBeGreaterThan(0);
    for (const page of decisions) {
      expect(page).toMatch(/\/\d{4}-[a-z0-9-]+\.md$/);
      expect(readText(page)).toMatch(/^# .+\n[\s\S]*^## Decision$/m);
    }
  });
});
