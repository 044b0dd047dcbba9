// Mounted files as the kubelet writes them: a folder behind a symbolic link, which is exchanged as a whole.

import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { certificatesIn, createAuthority, signLeaf } from '../../webhook/authority.ts'
import type { Authority, KeyPair } from '../../webhook/authority.ts'
import { openCertificateFiles } from '../../webhook/certificate-files.ts'

const [one, two] = [createAuthority(new Date()), createAuthority(new Date(Date.now() + 1_000))]

t.test('a renewed leaf of the same authority is served at the next look', async t => {
  const { open, mount } = volume(t)
  mount(one, 'first')
  const { certificate, renewed } = await open(() => true)
  t.equal(certificate.ca, one.signer.cert)
  await certificate.look()
  t.same(renewed, [], 'nothing is new')
  const leaf = mount(one, 'second')
  await certificate.look()
  t.same(renewed, [leaf])
  t.same(certificate.authorities(), [one.signer.cert])
})

t.test('another authority is published first, and its leaf is served once it is trusted', async t => {
  const { open, mount } = volume(t)
  const first = mount(one, 'first')
  const trusts = new Set([one.signer.cert])
  const { certificate, renewed } = await open(ca => trusts.has(ca))
  const second = mount(two, 'second')
  await certificate.look()
  t.equal(certificate.leaf.cert, first.cert)
  t.same(certificate.authorities(), [two.signer.cert, one.signer.cert])
  trusts.add(two.signer.cert)
  await certificate.look()
  t.same(renewed, [second])
  t.same(certificate.authorities(), [two.signer.cert])
})

t.test(
  'files that are missing or do not fit together stop us at the start, by name, and change nothing later',
  async t => {
    const { open, mount, dir } = volume(t)
    await t.rejects(
      open(() => true),
      { message: /tls\.(crt|key): .*ENOENT|ca\.crt: .*ENOENT/ },
    )
    const good = mount(one, 'good')
    const { certificate, renewed, lines } = await open(() => true)
    const wrong: [files: Record<string, string>, message: RegExp][] = [
      [{ 'tls.crt': 'nonsense' }, /tls\.crt: is not a certificate/],
      [{ 'ca.crt': '' }, /ca\.crt: is not a certificate/],
      [{ 'tls.key': two.signer.key }, /tls\.key: does not belong to tls\.crt/],
      [{ 'ca.crt': two.signer.cert }, /ca\.crt: did not sign tls\.crt/],
    ]
    for (const [files, message] of wrong) {
      mount(one, 'good', { 'tls.crt': good.cert, 'tls.key': good.key, ...files })
      await t.rejects(
        open(() => true),
        { message },
      )
      await certificate.look()
      t.match(lines.at(-1), message)
    }
    t.same(renewed, [])
    t.ok(dir)
  },
)

t.test('of a chain the authority is the one that signed its last link', async t => {
  const { open, mount } = volume(t)
  const leaf = mount(one, 'chain')
  mount(one, 'chain', { 'tls.crt': leaf.cert + one.signer.cert, 'tls.key': leaf.key })
  const { certificate } = await open(() => true)
  t.equal(certificate.ca, one.signer.cert)
  t.equal(certificatesIn(certificate.leaf.cert).length, 2)
})

function volume(t: Test) {
  const root = t.testdir()
  const dir = join(root, 'tls')
  mkdirSync(dir)
  let mounts = 0
  for (const name of ['tls.crt', 'tls.key', 'ca.crt']) symlinkSync(join('..data', name), join(dir, name))
  return { dir, mount, open }

  /** Writes a new folder and moves the link to it. Returns the new leaf. */
  function mount({ signer }: Authority, name: string, files: Record<string, string> = {}): KeyPair {
    const leaf = signLeaf(signer, [name], new Date())
    const data = join(dir, `..${++mounts}`)
    mkdirSync(data)
    const all = { 'tls.crt': leaf.cert, 'tls.key': leaf.key, 'ca.crt': signer.cert, ...files }
    for (const [file, text] of Object.entries(all)) writeFileSync(join(data, file), text)
    const link = join(dir, '..new')
    rmSync(link, { force: true })
    symlinkSync(data, link)
    renameSync(link, join(dir, '..data'))
    return leaf
  }

  async function open(isTrusted: (ca: string) => boolean) {
    const renewed: KeyPair[] = []
    const lines: string[] = []
    const certificate = await openCertificateFiles({
      dir,
      isTrusted,
      onRenew: leaf => renewed.push(leaf),
      log: (_message, fields) => lines.push(String(fields?.reason)),
    })
    return { certificate, renewed, lines }
  }
}
