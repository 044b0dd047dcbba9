// npm run bench -- NAME [--json]: measures one thing and prints its figures, as one JSON object or for people.
// Correctness is the tests' business; here nothing passes or fails.

import { admission } from './admission.ts'
import { fanout } from './fanout.ts'
import { latency } from './latency.ts'
import { notice } from './notice.ts'
import { proxy } from './proxy.ts'
import { start } from './start.ts'

const benches: Record<string, () => Promise<Record<string, unknown>>> = {
  admission,
  fanout,
  latency,
  notice,
  proxy,
  start,
}

const [name = '', ...flags] = process.argv.slice(2)
const bench = benches[name]
if (!bench || flags.some(flag => flag !== '--json')) {
  console.error(`usage: npm run bench -- ${Object.keys(benches).join('|')} [--json]`)
  process.exit(2)
}
const figures = await bench()
if (flags.includes('--json')) console.log(JSON.stringify(figures))
else for (const [key, value] of Object.entries(figures)) console.log(key.padEnd(28), value)
process.exit(0) // whatever a bench has left open
