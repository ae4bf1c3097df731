/** Help texts, made from the tables of commands and flags. */
import type { Flag } from './args/flag.ts';
import { GLOBAL_FLAGS } from './args/run-flags.ts';
import type { Command } from './commands/command.ts';
import type { Style } from './report/style.ts';

/** Help of `tsc-box` itself. */
export function programHelp(commands: readonly Command[], style: Style): string {
  const blocks = [
    'Containers from TypeScript: namespaces, limits and a layered root for any command.',
    section(style, 'Usage', ['tsc-box [OPTIONS] COMMAND …']),
    section(style, 'Commands', columns(commands.map(({ name, summary }) => [name, summary]))),
    flagSection(style, 'Options', [...GLOBAL_FLAGS, { long: 'version', key: 'version', kind: 'boolean', help: 'Print the version', group: 'Global' }]),
    section(style, 'Examples', examples([['tsc-box run -it --rm host bash', 'a shell on a copy-on-write view of this machine'], ['tsc-box run --memory 64m host make test', 'with a limit'], ['tsc-box check host true', 'can this host do it?']], style)),
    'More about a command: tsc-box COMMAND --help',
  ];
  return `${blocks.join('\n\n')}\n`;
}

export function commandHelp(command: Command, style: Style): string {
  const usage = section(style, 'Usage', [`tsc-box ${command.name}${command.usage === '' ? '' : ` ${command.usage}`}`]);
  const blocks = [command.summary, usage];
  if (command.description !== undefined) blocks.push(command.description);
  const groups = new Map<string, Flag[]>();
  for (const flag of [...command.flags, ...GLOBAL_FLAGS]) groups.set(flag.group, [...(groups.get(flag.group) ?? []), flag]);
  // What a command gives out comes last, but before what is the same everywhere.
  for (const [group, flags] of groups) blocks.push(flagSection(style, group, flags));
  if (command.examples.length > 0) blocks.push(section(style, 'Examples', examples(command.examples, style)));
  if (command.stopAtWord) blocks.push('Exit status: that of the command; 125 when tsc-box fails, 126 when the command can\'t be executed, 127 when it isn\'t found, 128+n when signal n ended it.');
  return `${blocks.join('\n\n')}\n`;
}

function section(style: Style, title: string, lines: readonly string[]): string {
  return [style('bold', `${title}:`), ...lines.map((line) => `  ${line}`)].join('\n');
}

function flagSection(style: Style, title: string, flags: readonly Flag[]): string {
  const names = ({ short, long, value, kind }: Flag): string => `${short === undefined ? '    ' : `-${short}, `}--${long}${kind === 'boolean' ? '' : ` ${value ?? 'VALUE'}`}`;
  return section(style, title === 'Global' ? 'Global options' : title === 'Options' ? title : `${title} options`, columns(flags.map((flag) => [names(flag), `${flag.help}${flag.kind === 'list' ? ' (repeatable)' : ''}`])));
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}   ${right}`);
}

function examples(lines: Command['examples'], style: Style): string[] {
  const width = Math.max(...lines.map(([line]) => line.length));
  return lines.map(([line, what]) => (what === '' ? line : `${line.padEnd(width)}   ${style('dim', `# ${what}`)}`));
}
