/** Random container names, in docker's form, for those who give none. */
import { randomBelow } from './random.ts';

const ADJECTIVES = 'able agile amber brave bright brisk calm clever cosmic crisp daring eager fair fast fine fleet fond gentle glad golden grand happy hardy humble jolly keen kind lively lucid lucky mellow merry mild neat nimble noble patient placid polite prime proud quick quiet rapid ready sharp silent silver smart snug solid spry steady sunny swift tidy vivid warm wise witty zesty'.split(' ');
const NOUNS = 'acorn alder anchor badger basin beacon birch bison brook canyon cedar cliff comet coral crane delta dune eagle ember falcon fern finch fjord forest fox garnet glacier grove harbor hazel heron island jasper juniper kestrel lagoon lark lemur lotus maple marlin meadow moss otter owl pebble pine plover puffin quartz raven reef ridge robin sparrow spruce summit thistle tundra walnut willow wren'.split(' ');

/** Such as `calm_otter`. A number is added from the fourth try on, when many are taken. */
export function randomName(attempt = 0): string {
  const pick = (words: readonly string[]): string => words[randomBelow(words.length)] ?? 'box';
  return `${pick(ADJECTIVES)}_${pick(NOUNS)}${attempt < 3 ? '' : randomBelow(10 ** Math.min(attempt, 9))}`;
}
