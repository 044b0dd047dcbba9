// Signs certificates. Node reads X.509 but cannot write it, so the few DER structures of RFC 5280 that we need are written by hand:
// a library would bring a polyfill, a container for dependency injection and 360 KB for the same two certificates.

import { createHash, createPublicKey, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

export interface Certificate {
  /** The common name, of the subject and of the issuer. */
  subject: string
  issuer: string
  notBefore: Date
  notAfter: Date
  /** What the certificate may do: sign others, or serve these DNS names. */
  use: 'ca' | { dnsNames: readonly string[] }
  publicKey: KeyObject
}

/** Returns the certificate as PEM, signed with ECDSA and SHA-256. `issuerKey` is a private key on P-256. */
export function signCertificate(certificate: Certificate, issuerKey: KeyObject): string {
  const tbs = tbsCertificate(certificate, issuerKey)
  const signature = sign('sha256', tbs, issuerKey)
  const der = sequence(tbs, ecdsaWithSha256, bitString(signature))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

/** RFC 5280 §4.1. */
function tbsCertificate(certificate: Certificate, issuerKey: KeyObject): Buffer {
  const { subject, issuer, notBefore, notAfter, publicKey } = certificate
  return sequence(
    tagged(0xa0, integer(Buffer.of(2))), // version 3
    integer(Buffer.concat([Buffer.of(1), randomBytes(15)])), // positive, and 127 random bits are unique
    ecdsaWithSha256,
    name(issuer),
    sequence(time(notBefore), time(notAfter)),
    name(subject),
    spki(publicKey),
    tagged(0xa3, sequence(...extensions(certificate, createPublicKey(issuerKey)))),
  )
}

/** RFC 5280 §4.2.1: key identifiers, key usage, and what each kind must have. */
function extensions({ use, publicKey }: Certificate, issuerKey: KeyObject): Buffer[] {
  const identifiers = [
    extension('551d0e', tagged(0x04, keyIdentifier(publicKey))),
    extension('551d23', sequence(tagged(0x80, keyIdentifier(issuerKey)))),
  ]
  if (use === 'ca') {
    return [
      ...identifiers,
      extension('551d13', sequence(isTrue), isTrue), // basicConstraints: cA
      extension('551d0f', keyUsage(0b0000_0110), isTrue), // keyCertSign, cRLSign
    ]
  }
  return [
    ...identifiers,
    extension('551d13', sequence(), isTrue),
    extension('551d0f', keyUsage(0b1000_0000), isTrue), // digitalSignature
    extension('551d25', sequence(oid('2b06010505070301'))), // serverAuth
    extension(
      '551d11',
      sequence(...use.dnsNames.map(dnsName => tagged(0x82, Buffer.from(dnsName, 'ascii')))),
    ),
  ]
}

function extension(id: string, value: Buffer, critical: Buffer = Buffer.alloc(0)): Buffer {
  return sequence(oid(id), critical, tagged(0x04, value))
}

/** RFC 5280 §4.2.1.2, method (1), by SHA-256 instead of SHA-1 (RFC 7093 §2, method 1: its leftmost 160 bits). */
function keyIdentifier(publicKey: KeyObject): Buffer {
  const point = spki(publicKey).subarray(-65) // an uncompressed point on P-256
  return createHash('sha256').update(point).digest().subarray(0, 20)
}

/** DER has no trailing zero bits, so their number goes before them. */
function keyUsage(bits: number): Buffer {
  const unused = Math.clz32(bits & -bits) ^ 31
  return tagged(0x03, Buffer.of(unused, bits))
}

function name(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(oid('550403'), tagged(0x0c, Buffer.from(commonName)))))
}

/** RFC 5280 §4.1.2.5: UTCTime through 2049, then GeneralizedTime. */
function time(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, '')
  return date.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(text.slice(2)))
    : tagged(0x18, Buffer.from(text))
}

function spki(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' })
}

const isTrue = tagged(0x01, Buffer.of(0xff))
const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))

function sequence(...parts: Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts))
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes)
}

function oid(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'))
}

function bitString(bytes: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.of(0), bytes]))
}

/** X.690 §8.1.3: lengths under 128 are one byte, others are preceded by how many bytes they take. */
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}
