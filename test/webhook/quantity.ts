import t from 'tap'
import { addQuantities } from '../../webhook/quantity.ts'

const sums: [a: string, b: string, sum: string][] = [
  ['500m', '10m', '510m'],
  ['990m', '10m', '1'],
  ['2', '250m', '2250m'],
  ['128Mi', '64Mi', '192Mi'],
  ['1Gi', '64Mi', '1088Mi'],
  ['960Mi', '64Mi', '1Gi'],
  ['100M', '64Mi', '167108864'],
  ['134217728', '64Mi', '192Mi'],
  ['1T', '1Ti', '2050304324Ki'],
]

t.test('sums are exact, in the unit that holds them', async t => {
  for (const [a, b, sum] of sums) {
    t.equal(addQuantities(a, b), sum)
    t.equal(addQuantities(b, a), sum)
  }
})

t.test('what is not understood is not guessed', async t => {
  for (const text of ['', 'x', '1.5', '1e3', '-1', '1Xi', '12 Mi'])
    t.throws(() => addQuantities(text, '1'), /quantity/)
})
