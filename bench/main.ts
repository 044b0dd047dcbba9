// npm run bench -- NAME [--json]: measures one thing and prints its figures, as one JSON object or for people.
// Correctness is the tests' business; here nothing passes or fails. `torture` takes --histories N and --seed S.

import { parseArgs } from 'node:util'
import type { Host } from '../test/tier3/installation.ts'
import { admission } from './admission.ts'
import { fleet } from './fleet.ts'
import { latency } from './latency.ts'
import { memory } from './memory.ts'
import { notice } from './notice.ts'
import { page } from './page.ts'
import { proxy } from './proxy.ts'
import { rollout } from './rollout.ts'
import { serveSse, sse } from './sse.ts'
import { stamp } from './stamp.ts'
import { start } from './start.ts'
import { tabs } from './tabs.ts'
import { torture } from './torture.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    histories: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const benches: Record<string, () => Promise<Record<string, unknown>>> = {
  admission,
  fleet,
  latency,
  memory,
  notice: () => withEnds(notice),
  page,
  proxy,
  rollout: () => withEnds(rollout),
  sse,
  stamp: () => withEnds(stamp),
  start,
  tabs,
  torture: () => withEnds(host => torture(host, Number(values.histories), Number(values.seed))),
}

const [name = ''] = positionals
if (name === 'sse-server') await serveSse() // the other end of `sse`
const bench = benches[name]
if (!bench) {
  console.error(`usage: npm run bench -- ${Object.keys(benches).join('|')} [--json]`)
  process.exit(2)
}
const figures = await bench()
if (values.json) console.log(JSON.stringify(figures))
else for (const [key, value] of Object.entries(figures)) console.log(key.padEnd(28), value)
process.exit(0) // whatever a bench has left open

/** In a test's place: remarks go to standard error, and what was opened ends with it. */
async function withEnds<T>(run: (host: Host) => Promise<T>): Promise<T> {
  const ends: (() => unknown)[] = []
  const host: Host = {
    comment: (...lines) => console.error(...lines),
    teardown: end => void ends.push(end),
  }
  try {
    return await run(host)
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}
