// The command line in CommonJS, which starts quicker than ES modules: one file with what every `run` needs, and one for each part that
// is loaded only when needed (terminals, images, help).
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'rolldown';

/**
 * Loads Node's modules when they are first used, not when a file that may use them is loaded: node:crypto, node:child_process and
 * node:worker_threads together take as long as a third of Node's own start, and most runs use none of them.
 * `let node_x = require("node:x")` becomes an object with a getter, and `node_x.name` becomes `node_x.$.name`.
 */
const lazyBuiltins = {
  name: 'lazy-builtins',
  renderChunk(code) {
    const names = [];
    const declared = code.replaceAll(/^(?:let|const|var) (node_\w+) = require\("(node:[\w/]+)"\);$/gm, (_line, name, module) => {
      names.push(name);
      return `const ${name} = { loaded: undefined, get $() { return (this.loaded ??= require("${module}")); } };`;
    });
    if (names.length === 0) return null;
    const rewritten = declared.replaceAll(new RegExp(`(?<![\\w$.])(${names.join('|')})\\.(?=\\w)`, 'g'), '$1.$$.');
    // Any other use would be of the object: better no build than a wrong one.
    const left = new RegExp(`(?<![\\w$.])(${names.join('|')})\\b(?!\\.\\$\\.| = \\{ loaded)`).exec(rewritten);
    if (left !== null) this.error(`lazy-builtins: cannot rewrite this use of ${left[1]}: ${rewritten.slice(left.index - 40, left.index + 60)}`);
    return { code: rewritten };
  },
};

/** CommonJS has its own `require`; making another one loads node:module, and with it the loader of ES modules. */
const nativeRequire = {
  name: 'native-require',
  transform(code) {
    return code.includes('createRequire(import.meta.url)') ? { code: code.replaceAll('createRequire(import.meta.url)', 'nativeRequire') } : null;
  },
};

/** The command line is never a worker thread, and its clock need not be that of `performance`: each of these loads some twenty modules of Node. */
const mainThread = {
  name: 'main-thread',
  resolveId: (id) => (id === 'node:worker_threads' ? '\0main-thread' : null),
  load: (id) => (id === '\0main-thread' ? 'export const isMainThread = true;' : null),
};

/** V8 reads a file of one byte a character twice as quickly: other characters, all of them in strings, are written as escapes. */
const ascii = {
  name: 'ascii',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle)) if (chunk.type === 'chunk') chunk.code = chunk.code.replaceAll(/[^\0-\x7F]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  },
};

/**
 * Node looks for --env-file among all words up to "--", the container's own included, and obeys a NODE_OPTIONS found there: so the command
 * starts it with "--". To sh the second line is a command, to JavaScript a string and a comment.
 */
const shebang = {
  name: 'shebang',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle)) if (chunk.type === 'chunk' && chunk.isEntry) chunk.code = `#!/bin/sh\n':' //; exec node -- "$0" "$@"\n${chunk.code.replace(/^#!.*\n/, '')}`;
  },
  writeBundle({ dir }, bundle) {
    for (const chunk of Object.values(bundle)) if (chunk.type === 'chunk' && chunk.isEntry) chmodSync(join(dir, chunk.fileName), 0o755);
  },
};

/** Chunks are named by their content: old ones would pile up. */
const clean = (chunks) => ({ name: 'clean', buildStart: () => rmSync(new URL(`dist/${chunks}`, import.meta.url), { recursive: true, force: true }) });

/** What every `run` of the built-in image loads: one file is read quicker than ten. */
const isOfEveryRun = (id) => /\/packages\/(?:model\/src|host-linux\/src\/(?!layers\/(?:apply|extract|archiver|pack|place|tree-|usage|union-directory))|engine\/src\/(?:index|containers|store\/owner)|cli\/src\/(?:args|program|dispatch|report\/(?:write|style|errors)|io\/(?:signals|streams)|commands\/(?:registry|image-commands|life-commands|try-commands|request|run)))/.test(id) && !/\/(?:layers\/layer-tree|images|containers\/apply)/.test(id) || id.includes('rolldown/runtime') || id.includes('main-thread');

/** What every command of the OCI runtime loads: nothing of images, terminals and help. */
const isOfRuntime = (id) => !/\/layers\/(?:apply|extract|archiver|pack|place|tree-|usage|union-directory|layer-tree)|\/io\/(?:attach|terminal|tty)|\/runtime\/main|\/(?:compile|code)-cache/.test(id);

/** A command of its own: nothing is shared between bundles, so that none reads what only another needs. */
const bundle = (name, input, chunks, group, isOfGroup) => ({
  input: { [name]: input },
  platform: 'node',
  external: ['koffi'],
  resolve: { conditionNames: ['source', 'import', 'node', 'default'] },
  preserveEntrySignatures: false,
  // Loading a file of the model does nothing by itself. The library's calls are exported beside the engine: without this each run would load them.
  treeshake: { moduleSideEffects: (id) => !/\/packages\/(?:model\/src|engine\/src\/(?:index|box\/))/.test(id) },
  transform: { define: { 'performance.now': 'milliseconds' } },
  plugins: [clean(chunks), mainThread, nativeRequire, lazyBuiltins, ascii, shebang],
  output: {
    // Code from a cache has no `import()` of its own: Node's modules are required.
    dynamicImportInCjs: false,
    dir: 'dist', format: 'cjs', entryFileNames: '[name].cjs', chunkFileNames: `${chunks}/[name]-[hash].cjs`,
    // Names stay as they are, for stack traces. Without comments and spaces half as much is read at each start.
    codeSplitting: { groups: [{ name: group, test: isOfGroup, includeDependenciesRecursively: false }] },
    minify: { mangle: false, compress: true, codegen: { removeWhitespace: true } },
    banner: 'const nativeRequire = require, nativeModule = module, milliseconds = () => process.uptime() * 1000;',
  },
});

export default defineConfig([
  bundle('tsc-box', 'src/main.ts', 'chunks', 'run', isOfEveryRun),
  bundle('tsc-box-runtime', 'src/runtime/main.ts', 'runtime-chunks', 'runtime', isOfRuntime),
]);
