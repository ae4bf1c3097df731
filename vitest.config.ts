import { defineConfig } from 'vitest/config';

// Workspace packages resolve to their sources, so no test runs against a stale build.
const conditions = ['source', 'node', 'import', 'module', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['node', 'import'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    server: { deps: { external: [/\/node_modules\/koffi\//], inline: [/@tsc-box\//] } },
  },
});
