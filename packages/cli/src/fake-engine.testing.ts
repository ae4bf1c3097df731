/** An engine that records what it was asked, for tests of the command line. */
import type { ContainerState, Engine, RunRequest, RunningContainer } from '@tsc-box/engine';
import type { ExitStatus, LaunchedProcess } from '@tsc-box/model';
import type { Outside } from './dispatch.ts';
import { plain } from './report/style.ts';

export interface Recorded {
  readonly requests: RunRequest[];
  readonly removed: [string, boolean][];
  readonly opened: [system: string, root: string | undefined][];
  readonly killed: number[];
  cleanups: number;
  dismissed: number;
  output: string;
  errors: string;
}

export interface Behaviour {
  readonly status?: ExitStatus;
  readonly states?: readonly ContainerState[];
  /** What `run`, `remove` and `diff` throw. */
  readonly error?: unknown;
  readonly waitError?: unknown;
  readonly env?: Record<string, string>;
}

export function fakeOutside(behaviour: Behaviour = {}): { outside: Outside; recorded: Recorded } {
  const recorded: Recorded = { requests: [], removed: [], opened: [], killed: [], cleanups: 0, dismissed: 0, output: '', errors: '' };
  const outside: Outside = {
    env: behaviour.env ?? {}, cwd: () => '/work dir',
    write: (text) => void (recorded.output += text),
    writeError: (text) => void (recorded.errors += text),
    style: () => plain,
    openEngine: (system, root) => {
      recorded.opened.push([system, root]);
      return Promise.resolve(fakeEngine(behaviour, recorded));
    },
    startGuard: () => Promise.resolve({ dismiss: () => void (recorded.dismissed += 1) }),
  };
  return { outside, recorded };
}

function fakeEngine(behaviour: Behaviour, recorded: Recorded): Engine {
  const fail = (): void => {
    if (behaviour.error !== undefined) throw behaviour.error;
  };
  return {
    root: '/r', runRoot: '/r/run',
    plan: (request) => {
      recorded.requests.push(request);
      return Promise.resolve({ version: 1, id: 'x', terminal: false, prepare: [], clone: { flags: ['CLONE_NEWNS'] }, child: [], warnings: [] });
    },
    spec: () => Promise.reject(new Error('not in this test')),
    check: (request) => {
      recorded.requests.push(request);
      return Promise.resolve([{ step: 'kernel', what: 'Linux 6.1', ok: true }, { step: 'cgroup', what: 'limit', ok: behaviour.error === undefined, reason: 'not delegated', hint: 'run as root' }]);
    },
    run: async (request) => {
      recorded.requests.push(request);
      fail();
      request.onWarning?.('something odd');
      await Promise.resolve();
      return fakeContainer(behaviour, recorded);
    },
    list: () => [...(behaviour.states ?? [])],
    find: () => {
      throw new Error('not used');
    },
    remove: (name, options) => {
      fail();
      recorded.removed.push([name, options?.force === true]);
    },
    apply: () => Promise.resolve([]),
    diff: () => [{ kind: 'A', path: '/etc/new' }, { kind: 'D', path: '/odd\nname' }],
    images: () => Promise.reject(new Error('not used')),
    life: () => Promise.resolve({ isPaused: () => false } as unknown as Awaited<ReturnType<Engine['life']>>),
    sweep: () => [],
  };
}

function fakeContainer(behaviour: Behaviour, recorded: Recorded): RunningContainer {
  const wait = (): Promise<ExitStatus> => (behaviour.waitError === undefined ? Promise.resolve(behaviour.status ?? { code: 0 }) : Promise.reject(behaviour.waitError));
  const process: LaunchedProcess = {
    pid: 7, startTime: 7, wait, kill: (signal) => recorded.killed.push(signal) > 0, resize: () => undefined, usage: () => ({}), cleanup: () => void (recorded.cleanups += 1),
  };
  return { state: fakeState({}), process, warnings: [], wait };
}

export function fakeState(fields: Partial<ContainerState> = {}): ContainerState {
  return {
    version: 1, id: 'a'.repeat(64), name: 'calm_box', image: 'host', command: ['sh', '-c', 'echo a long command line'], createdAt: '2026-01-01T00:00:00.000Z', bootId: 'b', labels: {},
    root: { kind: 'directory', path: '/x' } as unknown as ContainerState['root'], rootless: false, files: [], remove: false, launcher: { pid: 1, startTime: 1 }, status: 'exited', ...fields,
  };
}
