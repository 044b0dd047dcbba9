import t from 'tap'
import { acceptedCodings, codingOf } from '../../static/coding.ts'

t.test('what a client takes, the best first', async t => {
  const cases: [value: string | undefined, order: string][] = [
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['gzip, deflate, br, zstd', 'br gzip zstd deflate identity'],
    ['GZIP', 'gzip identity'],
    ['br;q=0.5, gzip;q=0.8', 'gzip br identity'],
    ['br;q=0, gzip', 'gzip identity'],
    ['gzip;q=0.000', 'identity'],
    ['gzip ; q=0.5 , identity;q=1', 'identity gzip'],
    ['*', 'br gzip zstd deflate identity'],
    ['gzip, *;q=0', 'gzip'],
    ['identity;q=1, *;q=0', 'identity'],
    ['identity;q=0', ''],
    ['gzip;q=2, br;q=x', 'identity'],
    ['compress, gzip', 'gzip identity'],
    ['x-gzip;q=0.5', 'gzip identity'],
  ]
  for (const [value, order] of cases) t.equal(acceptedCodings(value).order.join(' '), order, String(value))
})

t.test('one value asked twice is one answer, and odd values do not pile up', async t => {
  t.equal(acceptedCodings('gzip'), acceptedCodings('gzip'))
  for (let i = 0; i < 200; i++) acceptedCodings(`x${i}`)
  t.equal(acceptedCodings('gzip').order.join(' '), 'gzip identity')
})

t.test('several codings, or one that we do not know, are none', async t => {
  t.equal(codingOf(undefined), 'identity')
  t.equal(codingOf('BR'), 'br')
  t.equal(codingOf('gzip, br'), undefined)
  t.equal(codingOf('aes128gcm'), undefined)
})
