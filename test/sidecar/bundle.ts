// The sidecar's programs as the images have them: a bundle each, in a folder of the test's.

import { build } from 'esbuild'

/** `programs`: name → where it begins. What they load only where it is asked for is left outside. */
export async function bundle(dist: string, programs: Record<string, string>): Promise<void> {
  await build({
    entryPoints: programs,
    outdir: dist,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['uWebSockets.js', './watch.ts', './standalone/standalone.ts'],
    define: { VERSION: '"1.2.3"' },
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  })
}
