/** `tsc-box inspect` and `tsc-box history`. */
import { BoxError, EXIT_CODES } from '@tsc-box/model';
import type { ContainerState, HistoryLine } from '@tsc-box/engine';
import { booleanValue, stringValue } from '../args/flag.ts';
import { humanSize } from '../report/bytes.ts';
import { formatTable } from '../report/table.ts';
import { ageOf, shortId } from './images.ts';
import type { Run } from './command.ts';

export const inspect: Run = async (parsed, cli) => {
  const engine = await cli.engine();
  const type = stringValue(parsed, 'type');
  const look = async (name: string): Promise<object> => {
    if (type !== 'image') {
      try {
        return describeContainer(engine.find(name));
      } catch (error) {
        if (type === 'container' || !isCode(error, 'ERR_TSCBOX_CONTAINER_NOT_FOUND')) throw error;
      }
    }
    try {
      return await (await engine.images()).inspect(name);
    } catch (error) {
      if (type === 'image' || !isCode(error, 'ERR_TSCBOX_IMAGE_NOT_FOUND')) throw error;
      throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: `find "${name}"`, detail: 'no image and no container has that name or id', hint: 'tsc-box images and tsc-box ps -a list all', cause: error });
    }
  };
  const found: object[] = [];
  let code = 0;
  for (const name of parsed.positionals) {
    try {
      found.push(await look(name));
    } catch (error) {
      cli.report(error);
      code = EXIT_CODES.failure;
    }
  }
  cli.write(stringValue(parsed, 'format') === 'json' ? found.map((one) => `${JSON.stringify(one)}\n`).join('') : `${JSON.stringify(found, undefined, 4)}\n`);
  return code;
};

const isCode = (error: unknown, code: string): boolean => error instanceof BoxError && error.code === code;

/** `docker container inspect`, as far as there is such a thing here. */
function describeContainer(state: ContainerState): object {
  const [overlay] = state.root.kind === 'overlay' ? state.root.overlays : [];
  return {
    Id: state.id, Created: state.createdAt, Path: state.command[0] ?? '', Args: state.command.slice(1),
    State: {
      Status: state.status, Running: state.status === 'running', OOMKilled: state.oomKilled ?? false, Pid: state.status === 'running' ? (state.pid ?? 0) : 0, ExitCode: state.exitCode ?? 0, Error: state.error ?? '',
      StartedAt: state.startedAt ?? '', FinishedAt: state.finishedAt ?? '',
    },
    Image: state.imageId ?? state.image, Name: `/${state.name}`, Platform: 'linux', Rootless: state.rootless,
    ...(overlay === undefined ? {} : { GraphDriver: { Name: 'overlay2', Data: { LowerDir: overlay.lowerdirs.join(':'), UpperDir: overlay.upperdir, WorkDir: overlay.workdir } } }),
    Config: { Cmd: state.command, Image: state.image, Labels: state.labels },
  };
}

const SHORT_COMMAND = 45;

export const history: Run = async (parsed, cli) => {
  const lines = await (await (await cli.engine()).images()).history(parsed.positionals[0] ?? '');
  const whole = booleanValue(parsed, 'noTrunc');
  const idOf = ({ id }: HistoryLine): string => (id === undefined ? '<missing>' : whole ? id : shortId(id));
  if (booleanValue(parsed, 'quiet')) cli.write(lines.map((line) => `${idOf(line)}\n`).join(''));
  else if (stringValue(parsed, 'format') === 'json') cli.write(lines.map((line) => `${JSON.stringify({ ID: idOf(line), CreatedAt: line.created ?? '', CreatedBy: line.createdBy, Size: line.size, Comment: line.comment })}\n`).join(''));
  else cli.write(formatHistory(lines, whole, idOf, Date.now()));
  return 0;
};

function formatHistory(lines: readonly HistoryLine[], whole: boolean, idOf: (line: HistoryLine) => string, now: number): string {
  const shown = (text: string): string => {
    const plain = text.replaceAll(/\p{Cc}+/gu, ' ');
    return whole || plain.length <= SHORT_COMMAND ? plain : `${plain.slice(0, SHORT_COMMAND - 1)}…`;
  };
  return formatTable([['IMAGE', 'CREATED', 'CREATED BY', 'SIZE', 'COMMENT'], ...lines.map((line) => [idOf(line), ageOf(line.created, now), shown(line.createdBy), humanSize(line.size), line.comment.replaceAll(/\p{Cc}+/gu, ' ')])]);
}
