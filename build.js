// Bundles each program into one file: the images copy it, the demo and the bench run it.
// uWebSockets.js stays outside: it is a native module and is found in node_modules.

import { build } from 'esbuild'
import { existsSync, readFileSync, rmSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

// What a script tag loads; the sidecar carries its text.
await build({
  entryPoints: ['client/script.ts'],
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2020',
  outfile: 'dist/client.js',
  write: true,
})

const programs = {
  sidecar: 'sidecar/main.ts',
  drain: 'sidecar/drain/main.ts',
  webhook: 'webhook/main.ts',
  demo: 'demo/main.ts',
  bench: 'bench/main.ts',
}
for (const [name, entry] of Object.entries(programs)) {
  if (!existsSync(entry)) continue
  await build({
    entryPoints: [entry],
    bundle: true,
    minify: name !== 'demo' && name !== 'bench',
    keepNames: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    outfile: `dist/${name}.js`,
    external: ['uWebSockets.js'],
    sourcemap: name === 'demo' || name === 'bench' ? 'inline' : false,
    define: { VERSION: JSON.stringify(version) },
    // Bundled CommonJS modules call require.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  })
}
