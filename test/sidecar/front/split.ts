// Messages cut at every place: what comes out must be what the table says, and must not depend on how the bytes arrived.

import t from 'tap'
import { parts, readAnswers, readRequests, splits } from './reader.ts'
import { answers, refused, requests } from './rfc9112.ts'

const maxBytes = 5_000 // what is refused for its size only takes time

t.test('requests are read as the table says, wherever they are split', async t => {
  for (const [source, what, notes, text] of requests) {
    const bytes = Buffer.from(text, 'latin1')
    const whole = parts(readRequests([bytes]))
    t.equal(whole[0], notes, `${source}: ${what}`)
    t.equal(
      different(bytes, chunks => String(parts(readRequests(chunks))) === String(whole)),
      0,
      what,
    )
  }
})

t.test('what is refused is refused wherever it is split, and no more of it passes', async t => {
  for (const [source, what, status, text] of refused) {
    const bytes = Buffer.from(text, 'latin1')
    const whole = parts(readRequests([bytes]))
    // Not one that is taken without a body, and refused for what was its body.
    t.match(whole[0], new RegExp(`^(?:<${status} head>|<POST /><${status} body>)$`), `${source}: ${what}`)
    const isSame = (chunks: Buffer[]): boolean => String(parts(readRequests(chunks))) === String(whole)
    if (bytes.length < maxBytes) t.equal(different(bytes, isSame), 0, what)
  }
})

t.test(
  'answers are read as the table says, and all of their bytes pass, wherever they are split',
  async t => {
    for (const [source, what, methods, notes, text] of answers) {
      const bytes = Buffer.from(text, 'latin1')
      const whole = parts(readAnswers(methods, [bytes]))
      t.same(whole, [notes, text], `${source}: ${what}`)
      t.equal(
        different(bytes, chunks => String(parts(readAnswers(methods, chunks))) === String(whole)),
        0,
        what,
      )
    }
  },
)

t.test('the tables have no example twice', async t => {
  for (const rows of [refused, requests, answers]) {
    const texts = rows.map(row => row.at(-1))
    t.equal(new Set(texts).size, texts.length)
    t.equal(new Set(rows.map(([source, what]) => source + what)).size, rows.length)
  }
})

function different(bytes: Buffer, isSame: (chunks: Buffer[]) => boolean): number {
  let count = 0
  for (const chunks of splits(bytes)) if (!isSame(chunks)) count++
  return count
}
