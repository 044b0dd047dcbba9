// npm run demo [-- --check [seconds]]: a small cluster in one process, the sample app, and either keys to roll out with or a check of four
// rollouts, which fails when it takes longer than that.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { reason } from '../protocol/log.ts'
import { check } from './check.ts'
import { startCluster } from './cluster.ts'
import type { DemoCluster } from './cluster.ts'
import { readKeys } from './keys.ts'
import { createStory } from './story.ts'

const keptLines = 40
const bundles = ['webhook.js', 'sidecar.js', 'drain.js', 'client.js']

const root = fileURLToPath(new URL('..', import.meta.url)) // of demo/ as of dist/
const [flag, seconds = '28', ...more] = process.argv.slice(2)
if ((flag !== undefined && flag !== '--check') || !(Number(seconds) > 0) || more.length > 0) {
  console.error('usage: npm run demo [-- --check [seconds]]')
  process.exit(2)
}
const missing = bundles.map(file => join(root, 'dist', file)).filter(file => !existsSync(file))
if (missing.length > 0) {
  console.error(`not built: ${missing.join(', ')}; npm run build makes them`)
  process.exit(1)
}
if (flag === '--check') await runCheck()
else await runDemo()

async function runCheck(): Promise<void> {
  const ending = new AbortController()
  const end = (why: string) => ending.abort(new Error(why))
  const { signal } = ending
  const timer = setTimeout(end, Number(seconds) * 1_000, `${seconds} s are over`)
  onSignal(end)
  const told: string[] = []
  const story = createStory(line => void (told.push(line) > keptLines && told.shift()))
  let cluster: DemoCluster | undefined
  try {
    cluster = await Promise.race([startCluster({ root, story, onBroken: end }), abortion(signal)])
    await check(cluster, console.log, signal)
    console.log('all told, and all true')
  } catch (error) {
    process.exitCode = 1
    console.log(`not ok  ${reason(error)}`)
    if (error instanceof Error && error.cause) console.log(`  because ${reason(error.cause)}`)
    console.log(`what happened last:\n${told.map(line => `  ${line}`).join('\n')}`)
  }
  clearTimeout(timer)
  await cluster?.close()
  process.exit()
}

async function runDemo(): Promise<void> {
  const story = createStory(console.log)
  let cluster: DemoCluster | undefined
  onSignal(() => void end(0))
  cluster = await startCluster({
    root,
    story,
    onBroken(why) {
      story.tell('problem', why)
      void end(1)
    },
  })
  const { help } = readKeys(
    cluster.shop,
    () => void end(0),
    error => story.tell('problem', reason(error)),
  )
  console.log(`\nopen ${cluster.url} in a few tabs, and the console at ${cluster.consoleUrl}\n${help}\n`)

  async function end(code: number): Promise<void> {
    await cluster?.close()
    process.exit(code)
  }
}

function onSignal(act: (name: string) => void): void {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, act)
}

function abortion(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
}
