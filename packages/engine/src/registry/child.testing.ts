/** `child.testing.ts REFERENCE ROOT`: a process that pulls, for tests of what is set when a process starts. */
import { openImageStore } from '../store/store.ts';
import { pullImage } from './pull.ts';

const [reference = '', root = ''] = process.argv.slice(2);
try {
  const { digest } = await pullImage(reference, { store: openImageStore({ root }), env: {}, platform: { os: 'linux', architecture: 'amd64' }, retry: { attempts: 1 } });
  process.stdout.write(digest);
} catch (error) {
  process.stdout.write(error instanceof Error ? error.message : String(error));
}
