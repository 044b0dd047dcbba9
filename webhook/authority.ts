// Our certificate authority as it stands in its Secret, and how it is replaced: pure rules. Trust comes before use. A new authority is
// published beside the old one, signs only once it has been seen in the webhook configuration for a while, and the old one is
// kept until nobody can serve a leaf of it any more.

import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { caSecretName } from '../protocol/names.ts'
import { signCertificate } from './x509.ts'

const dayMs = 24 * 60 * 60_000
const caMs = 365 * dayMs
const leafMs = 7 * dayMs
const skewMs = 60 * 60_000 // clocks of the API server's machines may be behind ours
const settleMs = 10 * 60_000 // until each API server of the cluster has heard of another caBundle

export interface KeyPair {
  /** PEM. */
  cert: string
  /** PEM, PKCS #8. */
  key: string
}

export interface Authority {
  /** Signs. */
  signer: KeyPair
  /** Will sign. */
  next: KeyPair | undefined
  /** PEM: trusted, because leaves of it may still be served. */
  former: string[]
}

/** What the Secret holds: `ca.crt` with every certificate, the keys of the one that signs and of the one that will. */
export interface CaData {
  'ca.crt': string
  'ca.key': string
  'next.key'?: string
}

/** The certificates in a PEM text, each by itself. What is no certificate is left out. */
export function certificatesIn(pem: string): string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.map(block => `${block}\n`).filter(block => parse(block) !== undefined)
}

export function fingerprint(pem: string): string {
  return new X509Certificate(pem).fingerprint256
}

/** The certificates that must be trusted. */
export function trusted({ signer, next, former }: Authority): string[] {
  return [...(next ? [next.cert] : []), signer.cert, ...former]
}

export function createAuthority(now: Date): Authority {
  return { signer: createCa(now), next: undefined, former: [] }
}

export function toData(authority: Authority): CaData {
  const { signer, next } = authority
  return {
    'ca.crt': trusted(authority).join(''),
    'ca.key': signer.key,
    ...(next && { 'next.key': next.key }),
  }
}

/** Throws a sentence that says what is wrong and what to do. */
export function parseAuthority(data: CaData): Authority {
  const certs = certificatesIn(data['ca.crt'])
  if (certs.length === 0) throw wrong('ca.crt is not a certificate')
  const signer = pairOf(certs, data['ca.key'], 'ca.key')
  const next = data['next.key'] === undefined ? undefined : pairOf(certs, data['next.key'], 'next.key')
  const former = certs.filter(cert => cert !== signer.cert && cert !== next?.cert)
  return { signer, next, former }
}

/**
 * The next step of the authority's life, or the same object when there is none to take. `isTrusted` says whether the API server has a
 * certificate among those that it trusts.
 */
export function rotate(authority: Authority, now: Date, isTrusted: (cert: string) => boolean): Authority {
  const { signer, next, former } = authority
  const ms = now.getTime()
  if (hasEnded(signer.cert, ms + leafMs)) {
    // It cannot sign a whole leaf any more: nobody was there to replace it in time.
    const successor = next && !hasEnded(next.cert, ms + leafMs) ? next : createCa(now)
    return { signer: successor, next: undefined, former: [signer.cert, ...former].filter(isLiving) }
  }
  if (next) {
    const isKnown = isTrusted(next.cert) && ms >= createdAt(next.cert) + settleMs
    return isKnown ? { signer: next, next: undefined, former: [signer.cert, ...former] } : authority
  }
  if (isOld(signer.cert, ms)) return { signer, next: createCa(now), former }
  const kept = former.filter(isLiving).filter(() => ms < createdAt(signer.cert) + 2 * leafMs)
  return kept.length < former.length ? { signer, next, former: kept } : authority

  function isLiving(cert: string): boolean {
    return !hasEnded(cert, ms)
  }
}

/** After two thirds of its life; the last third is for whatever may go wrong. */
export function isOld(cert: string, ms: number): boolean {
  const { from, to } = lifeOf(cert)
  return ms >= from + ((to - from) * 2) / 3
}

/** Signs a new key for these names; the first is the common name. */
export function signLeaf(signer: KeyPair, dnsNames: readonly [string, ...string[]], now: Date): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = /^CN=(.*)$/m.exec(new X509Certificate(signer.cert).subject)?.[1] ?? ''
  const certificate = { subject: dnsNames[0], issuer, ...validity(now, leafMs), use: { dnsNames }, publicKey }
  return { cert: signCertificate(certificate, createPrivateKey(signer.key)), key: pem(privateKey) }
}

function createCa(now: Date): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = `spa-reloader CA ${now.toISOString().slice(0, 19)}` // a chain is found by name: two must not have the same
  const certificate = { subject, issuer: subject, ...validity(now, caMs), use: 'ca' as const, publicKey }
  return { cert: signCertificate(certificate, privateKey), key: pem(privateKey) }
}

function validity(now: Date, lifeMs: number): { notBefore: Date; notAfter: Date } {
  const ms = now.getTime()
  return { notBefore: new Date(ms - skewMs), notAfter: new Date(ms + lifeMs) }
}

function lifeOf(cert: string): { from: number; to: number } {
  const { validFrom, validTo } = new X509Certificate(cert)
  return { from: Date.parse(validFrom), to: Date.parse(validTo) }
}

function createdAt(cert: string): number {
  return lifeOf(cert).from + skewMs
}

function hasEnded(cert: string, ms: number): boolean {
  return lifeOf(cert).to < ms
}

function pairOf(certs: readonly string[], key: string, field: 'ca.key' | 'next.key'): KeyPair {
  let parsed: KeyObject
  try {
    parsed = createPrivateKey(key)
  } catch {
    throw wrong(`${field} is not a private key`)
  }
  const cert = certs.find(cert => new X509Certificate(cert).checkPrivateKey(parsed))
  if (cert === undefined) throw wrong(`${field} does not belong to ca.crt`)
  if (!new X509Certificate(cert).ca) throw wrong('ca.crt is not of a certificate authority')
  if (parsed.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw wrong(`${field} is not on the curve P-256`)
  return { cert, key }
}

function wrong(what: string): Error {
  return new Error(`Secret ${caSecretName}: ${what}. Delete the Secret: it is written again`)
}

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string
}
