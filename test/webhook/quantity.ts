import t from 'tap'
import { addQuantities, greatest, isBetween } from '../../webhook/quantity.ts'

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
  ['1.5Gi', '.5Gi', '2Gi'],
  ['1e3', '1E3', '2000'],
  ['5e-3', '+1.', '1005m'],
  ['100u', '10m', '10100u'],
  ['0.1n', '1', '1000000001n'],
  ['1Ei', '1Pi', '1074790400Gi'],
]

t.test('sums are exact, in the unit that holds them', async t => {
  for (const [a, b, sum] of sums) {
    t.equal(addQuantities(a, b), sum)
    t.equal(addQuantities(b, a), sum)
  }
})

t.test('what is not understood is not guessed', async t => {
  for (const text of ['', 'x', '.', 'Mi', '1.2.3', '1e', '1e3Mi', '-1', '1Xi', '1K', '12 Mi', '1'.repeat(99)])
    t.throws(() => addQuantities(text, '1'), /quantity/)
})

t.test('they are compared by what they are, not by how they are written', async t => {
  t.equal(greatest('1', '999m', '0.5'), '1')
  t.equal(greatest('128M', '128Mi'), '128Mi')
  t.equal(greatest('1Gi', '1024Mi'), '1Gi', 'the first of equal ones')
  for (const text of ['1m', '0.5', '1e3', '1000']) t.ok(isBetween(text, '1m', '1k'), text)
  for (const text of ['0', '0.5m', '1001', 'much']) t.notOk(isBetween(text, '1m', '1k'), text)
})
