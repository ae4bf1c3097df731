import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importsOf, isSource, isTest, listFiles } from './repository.ts';

const OURS = { model: '@tsc-box/model', engine: '@tsc-box/engine', 'host-linux': '@tsc-box/host-linux', sim: '@tsc-box/sim', cli: 'tsc-box' } as const;
type Package = keyof typeof OURS;

/** What each package may import: ours and others', beside its own files. Test files may also use the test tools and Node. */
const ALLOWED: Readonly<Record<Package, { readonly ours: readonly Package[]; readonly node: boolean; readonly others: readonly string[] }>> = {
  model: { ours: [], node: false, others: [] },
  engine: { ours: ['model'], node: true, others: ['fzstd'] },
  'host-linux': { ours: ['model'], node: true, others: ['koffi'] },
  sim: { ours: ['model'], node: true, others: ['memfs'] },
  // vitest: of the fixture, which only tests load.
  cli: { ours: ['model', 'engine', 'host-linux', 'sim'], node: true, others: ['koffi', 'vitest'] },
};
const TEST_TOOLS = ['vitest', 'fast-check'];

function isAllowed(specifier: string, owner: Package, file: string): boolean {
  const { ours, node, others } = ALLOWED[owner];
  if (specifier.startsWith('.')) {
    const target = join(dirname(file), specifier);
    return target.startsWith(`packages/${owner}/`) || (isTest(file) && target.startsWith('scripts/'));
  }
  if (specifier.startsWith('node:')) return node || isTest(file);
  if (others.includes(specifier)) return true;
  if (isTest(file) && TEST_TOOLS.includes(specifier)) return true;
  return ours.some((name) => specifier === OURS[name] || specifier.startsWith(`${OURS[name]}/`));
}

describe('dependency direction', () => {
  for (const owner of Object.keys(ALLOWED) as Package[]) {
    it(`packages/${owner} imports only what it may`, () => {
      const wrong = listFiles(`packages/${owner}/src`)
        .filter(isSource)
        .flatMap((file) => importsOf(file).filter((specifier) => !isAllowed(specifier, owner, file)).map((specifier) => `${file} imports ${specifier}`));
      expect(wrong).toEqual([]);
    });
  }

  it('koffi is loaded only in *.unsafe.ts', () => {
    const wrong = listFiles('packages').filter((file) => isSource(file) && importsOf(file).includes('koffi') && !file.endsWith('.unsafe.ts'));
    expect(wrong).toEqual([]);
  });

  it('relative imports name the file with its extension', () => {
    const wrong = listFiles('packages')
      .filter(isSource)
      .flatMap((file) => importsOf(file).filter((specifier) => specifier.startsWith('.') && !/\.(m?ts|json)$/.test(specifier)).map((specifier) => `${file}: ${specifier}`));
    expect(wrong).toEqual([]);
  });
});
