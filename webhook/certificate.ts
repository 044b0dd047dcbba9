// The server's certificate: a CA of our own, kept in a Secret for ten years, signs a leaf that lives seven days and only in memory.
// Renewal looks at the clock each minute: one long timer would sleep on where the machine was paused, and overflows at 24.8 days.

import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { caSecretName } from '../protocol/names.ts'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import type { CaSecret, KeyPair } from './ca-secret.ts'
import { signCertificate } from './x509.ts'

const dayMs = 24 * 60 * 60_000
const caMs = 3650 * dayMs
const leafMs = 7 * dayMs
const skewMs = 60 * 60_000 // clocks of the API server's machines may be behind ours

export interface CertificateOptions {
  secret: CaSecret
  /** The first is the common name. */
  dnsNames: readonly [string, ...string[]]
  /** Told of each new leaf but the first. */
  onRenew: (leaf: KeyPair) => void
  log: Log
  now?: () => Date
  checkMs?: number
}

export interface ServerCertificate {
  /** PEM: what clients must trust. */
  ca: string
  leaf: KeyPair
  /** Stops renewing. */
  close(): void
}

/** Reads or makes the CA, signs a leaf and keeps it fresh. Throws when the Secret cannot be read or holds something else. */
export async function openCertificate(options: CertificateOptions): Promise<ServerCertificate> {
  const { secret, dnsNames, onRenew, log, now = () => new Date(), checkMs = 60_000 } = options
  const ca = await readOrCreate(secret, now())
  let leaf = signLeaf(ca, dnsNames, now())
  const timer = setInterval(renew, checkMs)
  return {
    ca: ca.cert,
    get leaf() {
      return leaf
    },
    close: () => clearInterval(timer),
  }

  /** After two thirds of its life; the last third is for whatever may go wrong. */
  function renew(): void {
    const { validFrom, validTo } = new X509Certificate(leaf.cert)
    const [from, to] = [Date.parse(validFrom), Date.parse(validTo)]
    if (now().getTime() < from + ((to - from) * 2) / 3) return
    try {
      leaf = signLeaf(ca, dnsNames, now())
      onRenew(leaf)
      log('certificate renewed', { until: new X509Certificate(leaf.cert).validTo })
    } catch (error) {
      log('certificate not renewed', { reason: reason(error) })
    }
  }
}

/** Of two that find no Secret at the same time, the one that comes second takes what the first has made. */
async function readOrCreate(secret: CaSecret, now: Date): Promise<KeyPair> {
  const present = await secret.read()
  if (present) return checkCa(present, now)
  const made = createCa(now)
  if ((await secret.create(made)) === 'created') return made
  const theirs = await secret.read()
  if (!theirs) throw new Error(`Secret ${caSecretName} was there and is gone`)
  return checkCa(theirs, now)
}

function createCa(now: Date): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = `spa-reloader CA ${now.toISOString().slice(0, 10)}`
  const certificate = { subject, issuer: subject, ...validity(now, caMs), use: 'ca' as const, publicKey }
  return { cert: signCertificate(certificate, privateKey), key: pem(privateKey) }
}

/** Signs a new key for these names. */
function signLeaf(ca: KeyPair, dnsNames: readonly [string, ...string[]], now: Date): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = /^CN=(.*)$/m.exec(new X509Certificate(ca.cert).subject)?.[1] ?? ''
  const certificate = { subject: dnsNames[0], issuer, ...validity(now, leafMs), use: { dnsNames }, publicKey }
  return { cert: signCertificate(certificate, createPrivateKey(ca.key)), key: pem(privateKey) }
}

function validity(now: Date, lifeMs: number): { notBefore: Date; notAfter: Date } {
  const ms = now.getTime()
  return { notBefore: new Date(ms - skewMs), notAfter: new Date(ms + lifeMs) }
}

function checkCa(pair: KeyPair, now: Date): KeyPair {
  let cert: X509Certificate
  let key: KeyObject
  try {
    cert = new X509Certificate(pair.cert)
  } catch {
    throw wrong('ca.crt is not a certificate')
  }
  try {
    key = createPrivateKey(pair.key)
  } catch {
    throw wrong('ca.key is not a private key')
  }
  if (!cert.ca) throw wrong('ca.crt is not of a certificate authority')
  if (!cert.checkPrivateKey(key)) throw wrong('ca.key does not belong to ca.crt')
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw wrong('ca.key is not on the curve P-256')
  if (Date.parse(cert.validTo) < now.getTime() + leafMs) throw wrong(`ca.crt ends at ${cert.validTo}`)
  return pair
}

function wrong(what: string): Error {
  return new Error(
    `Secret ${caSecretName}: ${what}. Delete the Secret, then a new one is made at the next start`,
  )
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string
}
