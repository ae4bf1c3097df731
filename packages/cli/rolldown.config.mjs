// One file for the command line: CommonJS starts quicker than ES modules, and one file quicker than many.
import { defineConfig } from 'rolldown';

export default defineConfig({
  input: 'src/main.ts',
  platform: 'node',
  external: ['koffi'],
  resolve: { conditionNames: ['source', 'import', 'node', 'default'] },
  output: { file: 'dist/tsc-box.cjs', format: 'cjs', codeSplitting: false, sourcemap: false, minify: false, banner: '#!/usr/bin/env node' },
});
