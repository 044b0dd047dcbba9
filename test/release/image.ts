import t from 'tap'
import { combineDigests, digestOf, pinnedDigest } from '../../release/image.ts'

const hex = '32fdb1c2'.repeat(8)

t.test('every form of imageID gives the digest', async t => {
  for (const form of [
    `registry.example/web@sha256:${hex}`,
    `docker-pullable://registry.example:5000/team/web@sha256:${hex}`,
    `docker.io/library/import-2026-11-22@sha256:${hex}`,
    `docker://sha256:${hex}`,
    `sha256:${hex}`,
    hex,
  ])
    t.equal(digestOf(form), hex, form)
})

t.test('what is no digest gives none', async t => {
  for (const form of [
    '',
    'web:1.14',
    'sha256:32fd',
    `sha256:${hex}0`,
    `sha512:${hex}`,
    `web@sha256:${hex.toUpperCase()}`,
  ])
    t.equal(digestOf(form), undefined, form)
})

t.test('a digest in the pod spec is pinned, a tag is not', async t => {
  t.equal(pinnedDigest(`web:1@sha256:${hex}`), hex)
  t.equal(pinnedDigest('web:1'), undefined)
  t.equal(pinnedDigest(hex), undefined)
})

t.test('several digests make one id, another for each of them that changes; one stays itself', async t => {
  const other = 'b'.repeat(64)
  t.equal(combineDigests([hex]), hex)
  t.match(combineDigests([hex, other]), /^[0-9a-f]{64}$/)
  const ids = [[hex, other], [other, hex], [hex, hex], [other], [hex, other, hex]].map(combineDigests)
  t.equal(new Set(ids).size, ids.length)
})
