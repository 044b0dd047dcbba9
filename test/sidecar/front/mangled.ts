// Mangled messages through the pure framing: none throws, all read the same whole and in parts, and nothing is kept of them.
// `SPA_FUZZ_MESSAGES=1000000` reads more of them than a test should take time for.

import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { createMessages } from './messages.ts'
import { parts, readAnswers, readRequests } from './reader.ts'

const methods = ['GET', 'HEAD', 'POST']
const count = Number(process.env.SPA_FUZZ_MESSAGES ?? 100_000)

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

t.test(
  'mangled messages never throw, read the same whole and in parts, and leave nothing behind',
  { timeout: 0 },
  async t => {
    const next = createMessages(20261126)
    await read(next, Math.floor(count / 10))
    const before = heapBytes()
    const seen = await read(next, count)
    const grown = heapBytes() - before
    t.comment(`${count} messages, ${seen} refused or left; the heap grew by ${grown} bytes`)
    t.ok(grown < 2 * 1024 * 1024, `the heap grew by ${grown} bytes`)
    t.ok(seen > count / 10 && seen < count, 'some are sound and some are not')

    async function read(next: () => string, messages: number): Promise<number> {
      let refused = 0
      for (let i = 0; i < messages; i++) {
        // Node lets go of timers that were stopped between turns only.
        if (i % 1_000 === 0) await setImmediate()
        const text = next()
        const bytes = Buffer.from(text, 'latin1')
        const cut = 1 + ((i * 31) % (bytes.length - 1))
        const chunks = [bytes.subarray(0, cut), bytes.subarray(cut)]
        const whole = readRequests([bytes])
        if (/<(?:\d+ \w+|leave)>/.test(whole)) refused++
        if (String(parts(whole)) !== String(parts(readRequests(chunks))))
          t.fail(`a request, cut at ${cut}: ${JSON.stringify(text)}`)
        const answer = asAnswers(text)
        const answerBytes = Buffer.from(answer, 'latin1')
        const answerCut = 1 + ((i * 17) % (answerBytes.length - 1))
        const answered = parts(readAnswers(methods, [answerBytes]))
        const inParts = [answerBytes.subarray(0, answerCut), answerBytes.subarray(answerCut)]
        if (String(answered) !== String(parts(readAnswers(methods, inParts))))
          t.fail(`an answer, cut at ${answerCut}: ${JSON.stringify(answer)}`)
        if (answered[1] !== answer) t.fail(`bytes of an answer were lost: ${JSON.stringify(answer)}`)
      }
      return refused
    }
  },
)

function asAnswers(requests: string): string {
  let n = 0
  const statuses = ['200 OK', '204 No Content', '200 OK', '100 Continue', '304 Not Modified', '101 Switching']
  return requests.replace(
    /\w+ \/\w+ (HTTP\/1\.[01])/g,
    (_, version) => `${version} ${statuses[n++ % statuses.length]}`,
  )
}

function heapBytes(): number {
  collect()
  return process.memoryUsage().heapUsed
}
