// How long the console's fleet page keeps Chromium's main thread at a time, with 500 apps and 5,000 pods of which 12 and 120 change ten times a
// second, while its reader scrolls through them. Tasks after the page is loaded, by the browser's own trace: as long as they took, and what they
// took of the processor, which is the truer figure on a machine that has other work.

import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'puppeteer-core'
import { launchProgram } from '../test/browsers/puppeteer.ts'
import { createWorld, deployment, pod, replicaSet } from '../test/console/fixtures/cluster.ts'
import { openMadeUp, tenTimesASecond } from './console.ts'
import { rounded } from './figures.ts'

const apps = 500
const podsOfApp = 10
const appsPerTick = 12
const seconds = 20
const longMs = 100

export async function fleet() {
  const { world, change } = createFleet()
  const server = await openMadeUp(world)
  const browser = await launchProgram('chromium')
  const page = await browser.newPage()
  await page.setViewport({ width: 1_280, height: 900 })
  await page.goto(`http://127.0.0.1:${server.port}/#/`, { waitUntil: 'load' })
  await page.waitForFunction(count => document.body.textContent.includes(`${count} apps`), {}, apps)
  await sleep(2_000) // what loading has left
  await page.tracing.start({
    categories: ['toplevel', 'disabled-by-default-devtools.timeline', '__metadata'],
  })
  const scrolling = scroll(page, performance.now() + seconds * 1_000)
  await tenTimesASecond(seconds, tick => change(tick).forEach(name => server.moved('shop', name)))
  await scrolling
  const tasks = mainTasks((await page.tracing.stop()) ?? new Uint8Array(), new URL(page.url()).origin)
  await browser.close()
  await server.close()
  return {
    apps,
    pods: apps * podsOfApp,
    longest_task_ms: rounded(Math.max(...tasks.map(({ wallMs }) => wallMs))),
    longest_cpu_ms: rounded(Math.max(...tasks.map(({ cpuMs }) => cpuMs))),
    tasks_over_100ms: tasks.filter(({ wallMs }) => wallMs > longMs).length,
    cpu_over_100ms: tasks.filter(({ cpuMs }) => cpuMs > longMs).length,
    cpu_share: rounded(tasks.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / (seconds * 1_000), 2),
    load: rounded(loadavg()[0]!),
    node: process.version,
  }
}

function createFleet() {
  const world = createWorld()
  const names = Array.from({ length: apps }, (_, index) => `app-${index}`)
  for (const name of names) {
    world.replicaSets.set(name, replicaSet({ name }))
    put(name, true)
  }
  return { world, change }

  function put(app: string, ready: boolean): void {
    const available = ready ? podsOfApp : 2
    const progress = ready ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated'
    world.deployments.set(app, deployment({ name: app, replicas: podsOfApp, available, progress }))
    for (let n = 0; n < podsOfApp; n += 1) {
      const name = `${app}-h1-${n}`
      world.pods.set(name, pod({ app, name, ready: ready || n < 2 }))
    }
  }

  /** Some become ready, others roll: each tick other ones. Returns their names. */
  function change(tick: number): string[] {
    const changed = Array.from({ length: appsPerTick }, (_, i) => (tick * appsPerTick + i) % apps)
    for (const index of changed) put(names[index]!, Math.floor((tick * appsPerTick) / apps) % 2 === 1)
    return changed.map(index => names[index]!)
  }
}

/** A page down ten times a second, and from the end to the beginning again. */
async function scroll(page: Page, until: number): Promise<void> {
  while (performance.now() < until) {
    await page.evaluate(() => {
      const isEnd = scrollY + innerHeight >= document.documentElement.scrollHeight - 1
      scrollTo(0, isEnd ? 0 : scrollY + innerHeight)
    })
    await sleep(100)
  }
}

interface TraceEvent {
  name: string
  pid: number
  tid: number
  dur?: number
  tdur?: number
  args: { name?: string; data?: { frames?: { url?: string; processId?: number }[] } }
}

/** The tasks of the page's main thread. */
function mainTasks(trace: Uint8Array, origin: string): { wallMs: number; cpuMs: number }[] {
  const { traceEvents } = JSON.parse(Buffer.from(trace).toString()) as { traceEvents: TraceEvent[] }
  const started = traceEvents.find(({ name }) => name === 'TracingStartedInBrowser')
  const pid = started?.args.data?.frames?.find(frame => frame.url?.startsWith(origin))?.processId
  const main = traceEvents.find(
    ({ name, args, pid: of }) => of === pid && name === 'thread_name' && args.name === 'CrRendererMain',
  )
  if (!main) throw new Error('the trace does not tell of the page')
  return traceEvents
    .filter(({ name, pid, tid }) => pid === main.pid && tid === main.tid && name === 'RunTask')
    .map(({ dur = 0, tdur = 0 }) => ({ wallMs: dur / 1_000, cpuMs: tdur / 1_000 }))
}
