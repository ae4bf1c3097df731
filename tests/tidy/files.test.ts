import { describe, expect, it } from 'vitest';
import { isSource, listFiles, readText } from './repository.ts';

const LINES_MAX = 400;
const isGenerated = (file: string): boolean => file.includes('.generated.');
const isText = (file: string): boolean => /\.(m?ts|mjs|cjs|json|ya?ml|md|S|sh)$/.test(file) || file === '.ci/run';
const SELF = 'tests/tidy/files.test.ts';

describe('files', () => {
  const sources = listFiles().filter((file) => isSource(file) && !isGenerated(file));

  it(`no source has more than ${String(LINES_MAX)} lines`, () => {
    const long = sources.map((file) => ({ file, lines: readText(file).split('\n').length - 1 })).filter(({ lines }) => lines > LINES_MAX);
    expect(long).toEqual([]);
  });

  it('no file names the place where it was written', () => {
    const places = /\/work\/main|\/work\/\.|\.library\/|\.\.\/shared\//;
    const wrong = listFiles().filter((file) => isText(file) && file !== SELF && places.test(readText(file)));
    expect(wrong).toEqual([]);
  });

  it('no test is left as the only one, and no TODO is left without its issue', () => {
    const left = /\b(it|test|describe)\.only\(|\b(TODO|FIXME|XXX)\b(?!\(#\d+\))/;
    const wrong = sources.filter((file) => file !== SELF && left.test(readText(file)));
    expect(wrong).toEqual([]);
  });

  it('no line has a tab or blanks at its end', () => {
    const wrong = sources.flatMap((file) => readText(file).split('\n').flatMap((line, index) => (/\t|\s$/.test(line) ? [`${file}:${String(index + 1)}`] : [])));
    expect(wrong).toEqual([]);
  });
});
