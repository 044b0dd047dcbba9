// Lets Node import TypeScript, as tests are, where Node cannot do so by itself: before 22.18. esbuild takes the types away and starts sooner than
// the compiler, which `npm run check` runs once.

import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

if (isMainThread && !process.features.typescript) register(import.meta.url)

/** Node's load hook: https://nodejs.org/api/module.html#loadurl-context-nextload */
export async function load(url, context, nextLoad) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context)
  const { transform } = await import('esbuild') // in the hooks' thread alone
  const sourcefile = fileURLToPath(url)
  const { code } = await transform(await readFile(sourcefile, 'utf8'), {
    loader: 'ts',
    sourcefile,
    sourcemap: 'inline',
    sourcesContent: false,
    target: `node${process.versions.node}`,
  })
  return { format: 'module', source: code, shortCircuit: true }
}
