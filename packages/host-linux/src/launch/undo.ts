/** Things to take back, newest first. */
export interface Undo {
  add(action: () => void): void;
  /** Does all once; what fails doesn't keep the rest from being done. */
  run(): void;
}

export function createUndo(): Undo {
  let actions: (() => void)[] = [];
  return {
    add(action) {
      actions.push(action);
    },
    run() {
      const all = actions.reverse();
      actions = [];
      for (const action of all) {
        try {
          action();
        } catch {
          // The first failure is the one to report.
        }
      }
    },
  };
}
