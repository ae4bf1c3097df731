/** What `tsc-box-runtime` does with a command line. */
import { asBoxError } from '@tsc-box/model';
import { runtimeMessage, type Runtime } from '@tsc-box/engine/runtime';
import { openLinux } from '@tsc-box/host-linux';
import { booleanValue, stringValue } from '../args/flag.ts';
import { writeAll } from '../report/write.ts';
import { VERSION } from '../version.ts';
import { globalsOf, helpText, parseVerb, readCommandLine, unknownVerb, verbHelpText } from './command-line.ts';
import { openLog, type Log } from './log.ts';
import type { Globals } from './verb.ts';
import { VERBS } from './verbs/index.ts';

/** Does what the arguments say, and ends the process. */
export function start(): void {
  void main(process.argv.slice(2)).then((code) => process.exit(code));
}

const write = (text: string): void => writeAll(1, text);
const writeError = (text: string): void => writeAll(2, text);

async function main(args: readonly string[]): Promise<number> {
  let log: Log = openLog({ file: undefined, json: false, debug: false, writeError });
  let failure = 1;
  try {
    const line = readCommandLine(args);
    const file = stringValue(line.globals, 'log');
    log = openLog({ file: file === '' ? undefined : file, json: stringValue(line.globals, 'log-format') === 'json', debug: booleanValue(line.globals, 'debug'), writeError });
    if (booleanValue(line.globals, 'version')) return say(`tsc-box-runtime version ${VERSION}\nspec: 1.2.0\n`);
    if (booleanValue(line.globals, 'help') || line.verb === undefined || line.verb === 'help') return say(helpText(await Promise.all(Object.values(VERBS).map(async (load) => load()))));
    const verb = await VERBS[line.verb]?.();
    if (verb === undefined || !Object.hasOwn(VERBS, line.verb)) throw unknownVerb(line.verb, Object.keys(VERBS));
    failure = verb.failure ?? 1;
    const parsed = parseVerb(verb, line.rest);
    if (booleanValue(parsed, 'help')) return say(verbHelpText(verb));
    const globals = globalsOf(line.globals, process.env, process.geteuid?.() ?? 0);
    return await verb.run({ parsed, globals, write, runtime: () => openRuntime(globals, log) });
  } catch (error) {
    log.error(runtimeMessage(asBoxError(error)));
    return failure;
  }
}

function say(text: string): number {
  write(text);
  return 0;
}

function openRuntime({ root }: Globals, log: Log): Runtime {
  return { system: openLinux(), root, warn: (text) => log.warn(text) };
}
