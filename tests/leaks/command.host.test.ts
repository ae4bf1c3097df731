import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeHome, refusal, refusalFor, waitFor, type Home } from '../cli/command.ts';
import { describeProcess, findLeaks, listProcesses, removeCgroups, takeSnapshot, type Snapshot, type Watched } from './snapshot.ts';

const NOBODY = 65_534;
const LONG = 'sleep 1000';

/** Launches that fail at different points: before the clone, among the mounts, at the end. */
const FAILED: readonly (readonly [what: string, args: readonly string[], code: number])[] = [
  ['a command that is not there', ['host', 'no-such-command-here'], 127],
  ['a command that can not be run', ['host', '/etc/passwd'], 126],
  ['a working directory that is a file', ['-w', '/etc/passwd', 'host', 'true'], 126],
  ['a bind mount without its source', ['--mount', 'type=bind,source=/no/such/source,target=/x', 'host', 'true'], 125],
  ['a bind mount of a directory on a file', ['-v', '/usr:/etc/passwd', 'host', 'true'], 125],
  ['a sysctl that is not there', ['--sysctl', 'net.ipv4.no_such_key=1', 'host', 'true'], 125],
  ['a sysctl with a bad value', ['--sysctl', 'net.ipv4.ip_forward=word', 'host', 'true'], 125],
  ['a network namespace that is not there', ['--network', 'ns:/no/such/namespace', 'host', 'true'], 125],
  ['a seccomp profile that is not there', ['--security-opt', 'seccomp=/no/such/profile', 'host', 'true'], 125],
  ['a user that is not there', ['-u', 'no-such-user', 'host', 'true'], 125],
  ['a tmpfs with a bad option', ['--tmpfs', '/x:no_such_option=1', 'host', 'true'], 125],
];

interface Stage extends Watched {
  readonly home: Home;
  readonly before: Snapshot;
  readonly env: Readonly<Record<string, string>>;
  /** `run --rm` with the mark in the container's environment. */
  readonly arguments: (...args: readonly string[]) => readonly string[];
}

/** Limits need cgroups, which an ordinary user does not have here. */
function setStage(home: Home, limited = false): Stage {
  const mark = `TSC_BOX_LEAK_${randomBytes(8).toString('hex')}`;
  const watched: Watched = { mark, directories: [home.store, home.temporary], caches: [join(home.store, 'skeletons'), join(home.store, 'layers'), join(home.store, 'cache')] };
  const env = { [mark]: '1' };
  const limits = limited ? ['--cgroup-parent', `/tsc-box/${mark}`, '--memory', '64m', '--pids-limit', '32'] : [];
  return { ...watched, home, env, before: takeSnapshot(watched), arguments: (...args) => ['run', '--rm', '-e', `${mark}=1`, ...limits, ...args] };
}

async function expectNothingLeft(stage: Stage): Promise<void> {
  const leaks = await findLeaks(stage.before, stage);
  removeCgroups(stage.mark);
  expect(leaks).toEqual([]);
}

const listContainers = (home: Home): readonly string[] => readdirSync(join(home.store, 'containers'));

/** The processes end by themselves: the kernel ends them with their launcher. */
async function expectEnded(mark: string): Promise<void> {
  await waitFor('the processes end without help', () => listProcesses(mark).length === 0).catch(() => undefined);
  const left = listProcesses(mark).map((pid) => ({ pid, text: describeProcess(pid) }));
  for (const { pid } of left) process.kill(pid, 'SIGKILL');
  expect(left.map(({ text }) => text)).toEqual([]);
}

function describeUser(title: string, why: string | undefined, uid: number | undefined, limited: boolean): void {
  const suffix = why === undefined ? '' : ` (${why})`;
  describe(`${title}${suffix}`, () => {
    const homes: Home[] = [];
    /** A home that has been used once, so that caches are there. */
    const usedHome = (): Home => {
      const home = makeHome(uid);
      homes.push(home);
      const first = home.run(['run', '--rm', 'host', 'true']);
      expect(first).toMatchObject({ code: 0, stderr: '' });
      return home;
    };
    afterAll(() => homes.forEach((home) => home.remove()));

    it.skipIf(why !== undefined)('an ordinary run leaves nothing', async () => {
      const stage = setStage(usedHome(), limited);
      expect(stage.home.run(stage.arguments('host', 'sh', '-c', 'echo x >/etc/made-by-a-container; exit 3'), stage)).toMatchObject({ code: 3 });
      await expectNothingLeft(stage);
    });

    it.skipIf(why !== undefined)('what a container left running in the background ends with it', async () => {
      const stage = setStage(usedHome(), limited);
      expect(stage.home.run(stage.arguments('host', 'sh', '-c', `${LONG} & setsid ${LONG} & exit 0`), stage)).toMatchObject({ code: 0 });
      await expectNothingLeft(stage);
    });

    it.skipIf(why !== undefined)('a kept container leaves nothing when it is removed', async () => {
      const stage = setStage(usedHome(), limited);
      const args = stage.arguments('--name', 'kept', 'host', 'sh', '-c', 'mkdir -p /opt/a/b && chmod 0 /opt/a').filter((arg) => arg !== '--rm');
      expect(stage.home.run(args, stage)).toMatchObject({ code: 0 });
      expect(stage.home.run(['rm', 'kept'])).toMatchObject({ code: 0 });
      await expectNothingLeft(stage);
    });

    it.skipIf(why !== undefined)('failed launches leave nothing', async () => {
      const stage = setStage(usedHome(), limited);
      const results = FAILED.map(([what, args]) => [what, stage.home.run(stage.arguments(...args), stage).code]);
      expect(results).toEqual(FAILED.map(([what, , code]) => [what, code]));
      await expectNothingLeft(stage);
    });

    it.skipIf(why !== undefined)('a terminating signal reaches the container, and nothing stays', async () => {
      const stage = setStage(usedHome(), limited);
      const child = stage.home.start(stage.arguments('host', 'sh', '-c', 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'), stage);
      await once(child.stdout!, 'data');
      child.kill('SIGTERM');
      expect(await once(child, 'exit')).toEqual([7, null]);
      await expectNothingLeft(stage);
    });

    it.skipIf(why !== undefined)('SIGKILL of the command ends the container, and the next command tidies the rest', async () => {
      const stage = setStage(usedHome(), limited);
      const child = stage.home.start(stage.arguments('host', 'sh', '-c', `echo ready; setsid ${LONG} & ${LONG}`), stage);
      await once(child.stdout!, 'data');
      await waitFor('the container runs', () => listProcesses(stage.mark).length >= 3);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await expectEnded(stage.mark);
      expect(stage.home.run(['ps', '-a'])).toMatchObject({ code: 0 });
      await expectNothingLeft(stage);
    });

    it.skipIf(why !== undefined)('SIGKILL at each moment of a launch leaves nothing that the next command does not tidy', async () => {
      const stage = setStage(usedHome(), limited);
      // From the moment the container is on record, through its launch, until it runs.
      for (let delay = 0; delay < 150; delay += 10) {
        const known = new Set(listContainers(stage.home));
        const child = stage.home.start(stage.arguments('host', 'sh', '-c', LONG), stage);
        let output = '';
        child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
        await waitFor('the container is on record', () => {
          expect({ exitCode: child.exitCode, output }).toEqual({ exitCode: null, output: '' });
          return listContainers(stage.home).some((id) => !known.has(id));
        });
        await new Promise((resolve) => setTimeout(resolve, delay));
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await expectEnded(stage.mark);
      expect(stage.home.run(['ps', '-a'])).toMatchObject({ code: 0 });
      await expectNothingLeft(stage);
    }, 120_000);
  });
}

describeUser('as root', refusal(), undefined, true);
describeUser('as an ordinary user', refusal() ?? refusalFor(NOBODY), NOBODY, false);

describe('the helper itself', () => {
  it('finds a file, a process and nothing else', async () => {
    const home = makeHome();
    const stage = setStage(home);
    const child = home.start(['--help'], stage);
    await once(child, 'exit');
    const path = join(home.temporary, 'left');
    mkdirSync(path);
    expect(await findLeaks(stage.before, stage, 100)).toContain(`file ${path}`);
    rmSync(path, { recursive: true });
    expect(await findLeaks(stage.before, stage)).toEqual([]);
    home.remove();
  });
});
