import t from 'tap'
import type { Test } from 'tap'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import type { CaData, KeyPair } from '../../webhook/authority.ts'
import { openCertificate } from '../../webhook/certificate.ts'
import type { CertificateOptions } from '../../webhook/certificate.ts'

const names = [
  'spa-reloader-webhook.spa-reloader.svc',
  'spa-reloader-webhook.spa-reloader',
  'spa-reloader-webhook',
] as const
const dayMs = 24 * 60 * 60_000

/** A Secret in memory; `race` is what another replica creates just before us. */
function secretOf(stored?: CaData, race?: CaData) {
  let version = 1
  const secret = {
    stored,
    read: async () => secret.stored && { data: secret.stored, version: String(version) },
    async create(data: CaData) {
      secret.stored ??= race
      if (secret.stored) return 'exists' as const
      secret.stored = data
      return 'created' as const
    },
    async replace(data: CaData, seen: string) {
      if (!secret.stored || seen !== String(version)) return 'moved' as const
      version++
      secret.stored = data
      return 'replaced' as const
    },
  }
  return secret
}

function open(options: Partial<CertificateOptions> = {}) {
  return openCertificate({
    secret: secretOf(),
    dnsNames: [...names],
    onRenew: () => {},
    log: () => {},
    ...options,
  })
}

t.test(
  'a TLS client that trusts our authority, and nothing else, accepts the leaf for each of its names',
  async t => {
    const { ca, leaf } = await open()
    for (const servername of names)
      t.equal(await handshake(t, leaf, ca, servername), 'authorized', servername)
    t.match(await handshake(t, leaf, ca, 'example.com'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    const { ca: other } = await open()
    t.match(await handshake(t, leaf, other, names[0]), { message: /certificate/ })
  },
)

t.test('the certificates say what they are for', async t => {
  const { ca, leaf } = await open()
  const [authority, server] = [new X509Certificate(ca), new X509Certificate(leaf.cert)]
  t.ok(authority.ca)
  t.ok(authority.verify(authority.publicKey))
  t.match(daysOf(authority), 365)
  t.notOk(server.ca)
  t.ok(server.verify(authority.publicKey))
  t.ok(server.checkIssued(authority))
  t.match(daysOf(server), 7)
  t.same(server.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'servers only')
  t.equal(server.subjectAltName, names.map(name => `DNS:${name}`).join(', '))
  t.not(server.serialNumber, authority.serialNumber)
  t.match(server.serialNumber, /^01[0-9A-F]{30}$/, 'positive')
})

t.test('the authority is made once and read from the Secret from then on', async t => {
  const secret = secretOf()
  const first = await open({ secret })
  t.equal(secret.stored?.['ca.crt'], first.ca)
  const second = await open({ secret })
  t.equal(second.ca, first.ca)
  t.not(second.leaf.cert, first.leaf.cert)
  t.equal(await handshake(t, second.leaf, first.ca, names[0]), 'authorized')
})

t.test('of two that start at the same time the second takes what the first has made', async t => {
  const theirs = secretOf()
  await open({ secret: theirs })
  const { ca, leaf } = await open({ secret: secretOf(undefined, theirs.stored) })
  t.equal(ca, theirs.stored?.['ca.crt'])
  t.equal(await handshake(t, leaf, ca, names[0]), 'authorized')
})

t.test('a Secret that holds something else stops us with a sentence', async t => {
  const [one, two] = [secretOf(), secretOf()]
  const { leaf } = await open({ secret: one })
  await open({ secret: two })
  const { 'ca.crt': cert, 'ca.key': key } = one.stored!
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
  const wrong: [cert: string, key: string, message: RegExp][] = [
    ['', '', /^Secret spa-reloader-ca: ca.crt is not a certificate\. Delete the Secret/],
    ['nonsense', key, /ca.crt is not a certificate/],
    [cert.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA'), key, /ca.crt is not a certificate/],
    [cert, '', /ca.key is not a private key/],
    [cert, cert, /ca.key is not a private key/],
    [cert, two.stored!['ca.key'], /ca.key does not belong to ca.crt/],
    [cert, p384.export({ type: 'pkcs8', format: 'pem' }) as string, /does not belong/],
    [leaf.cert, leaf.key, /not of a certificate authority/],
  ]
  for (const [cert, key, message] of wrong)
    await t.rejects(open({ secret: secretOf({ 'ca.crt': cert, 'ca.key': key }) }), { message })
  const unreadable = { ...secretOf(), read: () => Promise.reject(new Error('403 Forbidden')) }
  await t.rejects(open({ secret: unreadable }), { message: '403 Forbidden' })
})

t.test('the leaf is renewed by the clock on the wall, after two thirds of its life', async t => {
  let now = Date.now()
  const renewed: KeyPair[] = []
  const certificate = await open({ now: () => new Date(now), onRenew: leaf => renewed.push(leaf) })
  const first = certificate.leaf
  now += 4.5 * dayMs
  await certificate.look()
  t.same(renewed, [])
  now += 0.3 * dayMs // as after a pause of the machine
  await certificate.look()
  await certificate.look()
  t.equal(renewed.length, 1, 'once')
  t.equal(certificate.leaf, renewed[0])
  t.not(certificate.leaf.key, first.key)
  t.equal(Date.parse(new X509Certificate(certificate.leaf.cert).validTo), floorToSecond(now + 7 * dayMs))
  t.ok(new X509Certificate(certificate.leaf.cert).checkIssued(new X509Certificate(certificate.ca)))
})

t.test(
  'the authority is replaced with an overlap, and at no moment is a leaf served that is not trusted',
  async t => {
    let now = Date.now() - 251 * dayMs // so that the handshake is today
    const secret = secretOf()
    const clock = () => new Date(now)
    let bundle: string[] = []
    const isTrusted = (ca: string) => bundle.includes(ca)
    const leader = await open({ secret, now: clock, isTrusted, isLeading: () => true })
    const other = await open({ secret, now: clock, isTrusted })
    const old = leader.ca
    bundle = leader.authorities()
    t.same(bundle, [old])

    now += 250 * dayMs
    await other.look()
    t.same(other.authorities(), [old], 'only one replica replaces it')
    await leader.look()
    await other.look()
    t.equal(leader.authorities().length, 2)
    t.same(other.authorities(), leader.authorities(), 'both know the new one')
    const [next = ''] = leader.authorities()
    now += dayMs
    await leader.look()
    t.same([leader.ca, other.ca], [old, old], 'nobody trusts it yet')

    bundle = leader.authorities()
    await leader.look()
    t.equal(leader.ca, next)
    t.equal(other.ca, old, 'not yet looked')
    t.equal(await handshake(t, leader.leaf, bundle.join(''), names[0]), 'authorized')
    await other.look()
    t.equal(other.ca, next)
    t.same(other.authorities(), [next, old])

    now += 15 * dayMs
    await leader.look()
    await other.look()
    t.same([leader.authorities(), other.authorities()], [[next], [next]], 'the old one is forgotten')
    t.notMatch(secret.stored, { 'next.key': /./ })
  },
)

t.test('an authority that has ended while nobody was there is replaced at the start', async t => {
  const secret = secretOf()
  const first = await open({ secret })
  const later = { secret, now: () => new Date(Date.now() + 400 * dayMs) }
  const second = await open(later)
  t.not(second.ca, first.ca)
  t.same(second.authorities(), [second.ca])
  t.equal((await open(later)).ca, second.ca)
})

t.test(
  'a Secret that is deleted is written again as it was; one that is replaced is followed once it is trusted',
  async t => {
    const secret = secretOf()
    const trusts = new Set<string>()
    const renewed: KeyPair[] = []
    const certificate = await open({
      secret,
      isTrusted: ca => trusts.has(ca),
      onRenew: leaf => renewed.push(leaf),
    })
    const { ca } = certificate
    trusts.add(ca)
    const before = secret.stored
    secret.stored = undefined
    await certificate.look()
    t.same(secret.stored, before)

    const another = secretOf()
    const theirs = await open({ secret: another })
    secret.stored = another.stored
    await certificate.look()
    t.equal(certificate.ca, ca, 'nobody trusts the new one yet')
    t.same(certificate.authorities(), [theirs.ca, ca])
    trusts.add(theirs.ca)
    await certificate.look()
    t.equal(certificate.ca, theirs.ca)
    t.equal(renewed.length, 1)

    secret.stored = { 'ca.crt': 'nonsense', 'ca.key': '' }
    await certificate.look()
    t.equal(certificate.ca, theirs.ca, 'nonsense is not followed')
  },
)

/** A real handshake; returns how it ended. */
async function handshake(t: Test, { cert, key }: KeyPair, ca: string, servername: string): Promise<unknown> {
  const server = createServer({ cert, key }, socket => socket.end())
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect({ host: '127.0.0.1', port, ca, servername })
  t.teardown(() => socket.destroy())
  try {
    await once(socket, 'secureConnect')
    return socket.authorized ? 'authorized' : socket.authorizationError
  } catch (error) {
    return error
  } finally {
    socket.destroy()
    server.close()
  }
}

function daysOf({ validFrom, validTo }: X509Certificate): number {
  return Math.round((Date.parse(validTo) - Date.parse(validFrom)) / dayMs)
}

function floorToSecond(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}
