import t from 'tap'
import type { Test } from 'tap'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import type { KeyPair } from '../../webhook/ca-secret.ts'
import { openCertificate } from '../../webhook/certificate.ts'
import type { CertificateOptions } from '../../webhook/certificate.ts'

const names = [
  'spa-reloader-webhook.spa-reloader.svc',
  'spa-reloader-webhook.spa-reloader',
  'spa-reloader-webhook',
] as const
const dayMs = 24 * 60 * 60_000

/** A Secret in memory; `race` is what another replica creates just before us. */
function secretOf(stored?: KeyPair, race?: KeyPair) {
  const secret = {
    stored,
    read: async () => secret.stored,
    async create(pair: KeyPair) {
      secret.stored ??= race
      if (secret.stored) return 'exists' as const
      secret.stored = pair
      return 'created' as const
    },
  }
  return secret
}

async function open(t: Test, options: Partial<CertificateOptions> = {}) {
  const certificate = await openCertificate({
    secret: secretOf(),
    dnsNames: [...names],
    onRenew: () => {},
    log: () => {},
    ...options,
  })
  t.teardown(() => certificate.close())
  return certificate
}

t.test(
  'a TLS client that trusts our authority, and nothing else, accepts the leaf for each of its names',
  async t => {
    const { ca, leaf } = await open(t)
    for (const servername of names)
      t.equal(await handshake(t, leaf, ca, servername), 'authorized', servername)
    t.match(await handshake(t, leaf, ca, 'example.com'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    const { ca: other } = await open(t)
    t.match(await handshake(t, leaf, other, names[0]), { message: /certificate/ })
  },
)

t.test('the certificates say what they are for', async t => {
  const { ca, leaf } = await open(t)
  const [authority, server] = [new X509Certificate(ca), new X509Certificate(leaf.cert)]
  t.ok(authority.ca)
  t.ok(authority.verify(authority.publicKey))
  t.match(daysOf(authority), 3650)
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
  const first = await open(t, { secret })
  t.equal(secret.stored?.cert, first.ca)
  const second = await open(t, { secret })
  t.equal(second.ca, first.ca)
  t.not(second.leaf.cert, first.leaf.cert)
  t.equal(await handshake(t, second.leaf, first.ca, names[0]), 'authorized')
})

t.test('of two that start at the same time the second takes what the first has made', async t => {
  const theirs = secretOf()
  await open(t, { secret: theirs })
  const { ca, leaf } = await open(t, { secret: secretOf(undefined, theirs.stored) })
  t.equal(ca, theirs.stored?.cert)
  t.equal(await handshake(t, leaf, ca, names[0]), 'authorized')
})

t.test('a Secret that holds something else stops us with a sentence', async t => {
  const [one, two] = [secretOf(), secretOf()]
  const { leaf } = await open(t, { secret: one })
  await open(t, { secret: two })
  const { cert, key } = one.stored!
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
  const wrong: [pair: KeyPair, message: RegExp, now?: Date][] = [
    [{ cert: '', key: '' }, /^Secret spa-reloader-ca: ca.crt is not a certificate\. Delete the Secret/],
    [{ cert: 'nonsense', key }, /ca.crt is not a certificate/],
    [{ cert: cert.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA'), key }, /ca.crt is not a certificate/],
    [{ cert, key: '' }, /ca.key is not a private key/],
    [{ cert, key: cert }, /ca.key is not a private key/],
    [{ cert, key: two.stored!.key }, /ca.key does not belong to ca.crt/],
    [{ cert, key: p384.export({ type: 'pkcs8', format: 'pem' }) as string }, /does not belong/],
    [leaf, /not of a certificate authority/],
    [{ cert, key }, /ca.crt ends at/, new Date(Date.now() + 3644 * dayMs)],
  ]
  for (const [pair, message, now = new Date()] of wrong)
    await t.rejects(open(t, { secret: secretOf(pair), now: () => now }), { message })
  const unreadable = { ...secretOf(), read: () => Promise.reject(new Error('403 Forbidden')) }
  await t.rejects(open(t, { secret: unreadable }), { message: '403 Forbidden' })
})

t.test('the leaf is renewed by the clock on the wall, after two thirds of its life', async t => {
  let now = Date.now()
  let checks = 0
  const clock = new EventEmitter()
  const renewed: KeyPair[] = []
  const certificate = await open(t, {
    now: () => {
      checks++
      clock.emit('look')
      return new Date(now)
    },
    checkMs: 2,
    onRenew: leaf => renewed.push(leaf),
  })
  const first = certificate.leaf
  now += 4.5 * dayMs
  await looked()
  t.same(renewed, [])
  now += 0.3 * dayMs // as after a pause of the machine
  await looked()
  t.equal(renewed.length, 1, 'once')
  t.equal(certificate.leaf, renewed[0])
  t.not(certificate.leaf.key, first.key)
  t.equal(Date.parse(new X509Certificate(certificate.leaf.cert).validTo), floorToSecond(now + 7 * dayMs))
  t.ok(new X509Certificate(certificate.leaf.cert).checkIssued(new X509Certificate(certificate.ca)))
  certificate.close()
  now += 30 * dayMs
  const before = checks
  await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(checks, before, 'closed: it looks no more')

  /** Long enough for a whole check: one that looks twice renews. */
  async function looked(): Promise<void> {
    for (let looks = 0; looks < 4; looks++) await once(clock, 'look')
  }
})

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
