// Bundles each program into one file in dist/: the images copy it, the demo and the bench run it.
// `node build.js sidecar drain` builds only those. uWebSockets.js stays outside: a native module, found in node_modules.

import { build } from 'esbuild'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'

const programs = {
  console: 'console/web', // its pages, which the webhook's bundle carries
  client: 'client/script.ts', // what a script tag loads; the sidecar carries its text
  sidecar: 'sidecar/main.ts',
  standalone: 'sidecar/standalone/standalone.ts', // loaded by the sidecar where SPA_MODE asks for it
  watch: 'sidecar/feed/watch.ts', // where the annotation asks for it
  drain: 'sidecar/drain/main.ts',
  webhook: 'webhook/main.ts',
  cli: 'cli/main.ts', // what `spa-reloader` runs
  demo: 'demo/main.ts',
  bench: 'bench/main.ts',
  model: 'test/model/walk.ts',
  manifests: 'test/chart/write.ts',
}
const isForDevelopment = name => ['demo', 'bench', 'model', 'manifests'].includes(name)

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const browser = { format: 'iife', target: 'es2020', minify: true }
const node = {
  platform: 'node',
  format: 'esm',
  target: 'node20',
  keepNames: true,
  external: ['uWebSockets.js', 'puppeteer-core', 'prettier'],
  define: { VERSION: JSON.stringify(version) },
  // Bundled CommonJS modules call require.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
}

/** What a program loads only when it needs it is a bundle of its own beside it. */
const apart = {
  name: 'apart',
  setup(build) {
    build.onResolve({ filter: /^\..*\.ts$/ }, ({ path, kind }) =>
      kind === 'dynamic-import' ? { path: `./${basename(path, '.ts')}.js`, external: true } : undefined,
    )
  },
}

/** The console's pages, as files in the webhook's bundle. */
const pages = {
  name: 'pages',
  setup(build) {
    build.onLoad({ filter: /\/console\/pages\.ts$/ }, () => {
      const folder = 'dist/console'
      const files = existsSync(folder)
        ? readdirSync(folder, { recursive: true, withFileTypes: true }).filter(file => file.isFile())
        : []
      const entries = files.map(({ parentPath, name }) => {
        const path = join(parentPath, name)
        return [relative(folder, path), readFileSync(path, 'base64')]
      })
      return { contents: `export const pages = ${JSON.stringify(Object.fromEntries(entries))}`, loader: 'js' }
    })
  },
}

/** The console's pages, as files in dist/console. SvelteKit finds its configuration in the folder it is started in; `sync` writes what that extends. */
function buildPages() {
  for (const [program, ...args] of [
    ['@sveltejs/kit/svelte-kit.js', 'sync'],
    ['vite/bin/vite.js', 'build', '--logLevel', 'warn'],
  ])
    execFileSync(process.execPath, [`${import.meta.dirname}/node_modules/${program}`, ...args], {
      cwd: 'console/web',
      stdio: ['ignore', 'ignore', 'inherit'],
    })
}

for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(programs)) {
  if (name === 'console') {
    buildPages()
    continue
  }
  await build({
    entryPoints: [programs[name]],
    outfile: `dist/${name}.js`,
    bundle: true,
    plugins: [apart, pages],
    logLevel: 'warning',
    ...(name === 'client' ? browser : { ...node, minify: !isForDevelopment(name) }),
  })
}
