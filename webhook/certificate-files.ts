// The server's certificate from mounted files, as cert-manager writes them: tls.crt, tls.key and ca.crt. The kubelet replaces them under our feet, one
// replica after the other, so they are read again and again, and what does not fit together is left for the next time.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import { certificatesIn, fingerprint } from './authority.ts'
import type { KeyPair } from './authority.ts'
import type { ServerCertificate } from './certificate.ts'

export interface CertificateFilesOptions {
  dir: string
  /** Whether the API server trusts this certificate, as far as we have seen. */
  isTrusted(ca: string): boolean
  /** Told of each new leaf but the first. */
  onRenew(leaf: KeyPair): void
  log: Log
}

interface Files {
  leaf: KeyPair
  /** The one that signed the leaf. */
  ca: string
  authorities: string[]
}

/** Throws an error that names the file when one is missing or wrong at the start; later ones are logged. */
export async function openCertificateFiles(options: CertificateFilesOptions): Promise<ServerCertificate> {
  const { dir, isTrusted, onRenew, log } = options
  let found = await readFiles(dir)
  let served = found
  let trouble: string | undefined
  return {
    get ca() {
      return served.ca
    },
    get leaf() {
      return served.leaf
    },
    authorities: () => [...new Set([...found.authorities, served.ca])],
    look,
  }

  async function look(): Promise<void> {
    try {
      found = await readFiles(dir)
      trouble = undefined
    } catch (error) {
      if (reason(error) !== trouble) log('certificate files not read', { dir, reason: reason(error) })
      trouble = reason(error)
    }
    const isNew = found.leaf.cert !== served.leaf.cert
    if (!isNew || (!isTrusted(found.ca) && isTrusted(served.ca))) return
    served = found
    onRenew(served.leaf)
    log('certificate renewed', { until: new X509Certificate(served.leaf.cert).validTo })
  }
}

async function readFiles(dir: string): Promise<Files> {
  const [cert, key, bundle] = await Promise.all(['tls.crt', 'tls.key', 'ca.crt'].map(read))
  const authorities = certificatesIn(bundle ?? '')
  const [first] = certificatesIn(cert ?? '')
  if (first === undefined) throw wrong('tls.crt', 'is not a certificate')
  if (authorities.length === 0)
    throw wrong('ca.crt', 'is not a certificate: without it the API server cannot trust us')
  const leaf = new X509Certificate(first)
  if (!isKeyOf(leaf, key ?? '')) throw wrong('tls.key', 'does not belong to tls.crt')
  const chain = certificatesIn(cert ?? '').map(pem => new X509Certificate(pem))
  const ca = authorities.find(pem => chain.some(link => isSignedBy(link, pem)))
  if (ca === undefined) throw wrong('ca.crt', 'did not sign tls.crt')
  return { leaf: { cert: cert ?? '', key: key ?? '' }, ca, authorities: unique(authorities) }

  async function read(name: string): Promise<string> {
    return readFile(join(dir, name), 'utf8').catch((error: unknown) => {
      throw wrong(name, reason(error))
    })
  }

  function wrong(name: string, what: string): Error {
    return new Error(`${join(dir, name)}: ${what}`)
  }
}

function unique(certs: readonly string[]): string[] {
  return [...new Map(certs.map(cert => [fingerprint(cert), cert])).values()]
}

function isSignedBy(cert: X509Certificate, pem: string): boolean {
  const ca = new X509Certificate(pem)
  return cert.checkIssued(ca) && cert.verify(ca.publicKey)
}

function isKeyOf(cert: X509Certificate, key: string): boolean {
  try {
    return cert.checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}
