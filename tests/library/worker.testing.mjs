// What the test of worker threads runs: the built library, as a program would.
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { openBox } from '../../packages/cli/dist/index.js';

const box = await openBox({ root: workerData.root });
const { exitCode, stdout } = await box.run({ image: 'host', command: ['sh', '-c', 'echo from a worker; exit 5'] });
writeSync(workerData.fd, JSON.stringify({ exitCode, stdout }));
