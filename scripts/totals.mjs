// Totals over several vitest runs and the stages around them.
import { readFileSync } from 'node:fs';

export class Totals {
  passed = 0;
  failed = 0;
  skipped = 0;

  /** A stage that is no test counts only when it failed: as one failure. */
  addStage(ok) {
    if (!ok) this.failed += 1;
  }

  /** Adds vitest's JSON report. A run that failed without a failed test still counts as one failure. */
  addReport(path, ok) {
    const before = this.failed;
    for (const file of readReport(path)) {
      const results = file.assertionResults ?? [];
      for (const { status } of results) {
        if (status === 'passed') this.passed += 1;
        else if (status === 'failed') this.failed += 1;
        else this.skipped += 1;
      }
      // A file that broke before its tests were collected.
      if (file.status === 'failed' && !results.some(({ status }) => status === 'failed')) this.failed += 1;
    }
    if (!ok && this.failed === before) this.failed += 1;
  }

  line() {
    return `${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`;
  }
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).testResults ?? [];
  } catch {
    return [];
  }
}
