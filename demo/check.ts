// The demo without anybody: four rollouts, each heard by a tab over the real path, and each true. What is heard is compared with what a
// request is answered: `ready` means that every answer is the new version.

import { get } from 'node:http'
import type { HeardState } from '../protocol/message.ts'
import type { Why } from '../protocol/release.ts'
import { pageOf, parseServerTiming } from '../client/identity.ts'
import type { DemoCluster } from './cluster.ts'
import { openTab } from './tab.ts'
import type { Tab } from './tab.ts'

interface Step {
  name: string
  act(): Promise<void>
  why: Why
}

const requests = 6 // more than there are pods, so that each answers

/** Prints a line per step. Rejects, saying what was missing, when a step fails or `signal` aborts. */
export async function check(
  { url, shop, images }: DemoCluster,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const steps: Step[] = [
    { name: 'first version', act: async () => {}, why: 'rollout' },
    { name: 'rollout', act: shop.rollOut, why: 'rollout' },
    { name: 'rollback', act: shop.rollBack, why: 'rollback' },
    { name: 're-pushed tag', act: shop.pushAgain, why: 'restart' },
  ]
  const released: { revision: number; id: string }[] = []
  const tab = openTab(url)
  try {
    for (const [index, step] of steps.entries()) await run(step, index + 1)
    expect('the re-pushed tag', 'number of versions', new Set(released.map(({ id }) => id)).size, 3)
    expect('the tab', 'list of what was said to be ready', saidReady(tab), released.map(format).join())
  } finally {
    tab.close()
  }

  async function run({ name, act, why }: Step, revision: number): Promise<void> {
    const start = performance.now()
    const moves = tab.moves()
    await act()
    const image = await shop.image()
    const id = images.digest(image)
    const isMeant = (state: HeardState) => state.revision === revision && state.phase === 'ready'
    const state = await tab.until(isMeant, signal).catch((error: unknown) => {
      throw new Error(`${name}: revision ${revision} was not heard to be ready; ${lastHeard(tab)}`, {
        cause: error,
      })
    })
    expect(name, 'image', state.image, image)
    expect(name, 'id', state.sha256, id)
    expect(name, 'why', state.why, why)
    for (let asked = 0; asked < requests; asked += 1)
      expect(name, 'id of the page that is served', await servedId(url, state, signal), id)
    const moved = tab.moves() > moves ? ', its pod having sent it to another one' : ''
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    released.push({ revision, id })
    print(`ok  ${name.padEnd(13)}  ${image} sha256:${id.slice(0, 8)}… heard after ${seconds} s${moved}`)
  }
}

/** Each revision once, in the order in which they were heard: a false alarm would be one more. */
function saidReady({ heard }: Tab): string {
  const ready = heard.filter(({ phase }) => phase === 'ready')
  return [...new Set(ready.map(({ revision, sha256 }) => format({ revision, id: sha256 })))].join()
}

function format({ revision, id }: { revision: number; id: string }): string {
  return `${revision} ${id.slice(0, 8)}`
}

/** Asks for the page on a connection of its own; returns the id of the version that answered. */
function servedId(url: string, { known }: HeardState, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false, signal }, response => {
      response.resume()
      const page = pageOf(parseServerTiming(String(response.headers['server-timing'] ?? '')))
      resolve(known.find(([key]) => key === page?.hash)?.[1])
    }).on('error', reject)
  })
}

function expect(step: string, what: string, found: unknown, wanted: unknown): void {
  if (found !== wanted)
    throw new Error(`${step}: the ${what} is ${String(found)} instead of ${String(wanted)}`)
}

function lastHeard({ heard }: Tab): string {
  const last = heard.at(-1)
  return last ? `the last state said revision ${last.revision} ${last.phase}` : 'no state was heard'
}
