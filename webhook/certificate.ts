// The server's certificate: a leaf that lives seven days and only in memory, one for each replica, signed by the authority in the Secret.

import { X509Certificate } from 'node:crypto'
import { caSecretName } from '../protocol/names.ts'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import {
  createAuthority,
  fingerprint,
  isOld,
  parseAuthority,
  rotate,
  signLeaf,
  toData,
  trusted,
} from './authority.ts'
import type { Authority, KeyPair } from './authority.ts'
import type { CaSecret, Stored } from './ca-secret.ts'

export interface ServerCertificate {
  /** PEM: the authority that signed the leaf. */
  readonly ca: string
  readonly leaf: KeyPair
  /** PEM: all that must be trusted, so that every replica is, now and after the next step. */
  authorities(): string[]
  /** To be called each minute, and when the Secret or what the API server trusts has moved. Resolves when all that could be done about it is done; never rejects. */
  look(): Promise<void>
}

export interface CertificateOptions {
  secret: CaSecret
  /** The first is the common name. */
  dnsNames: readonly [string, ...string[]]
  /** Whether the API server trusts this certificate, as far as we have seen. Default: it does. */
  isTrusted?(ca: string): boolean
  /** Of all replicas one replaces the authority. Default: not us. */
  isLeading?(): boolean
  /** Told of each new leaf but the first. */
  onRenew(leaf: KeyPair): void
  log: Log
  now?(): Date
}

/** Reads or makes the authority, signs a leaf and keeps both fresh. Throws when the Secret cannot be read or holds something else. */
export async function openCertificate(options: CertificateOptions): Promise<ServerCertificate> {
  const { secret, dnsNames, onRenew, log } = options
  const { isTrusted = () => true, isLeading = () => false } = options
  const { now = () => new Date() } = options
  let authority = await open()
  let ca = authority.signer.cert
  let leaf = signLeaf(authority.signer, dnsNames, now())
  let looking: Promise<void> | undefined
  let isMissed = false
  let trouble: string | undefined
  return {
    get ca() {
      return ca
    },
    get leaf() {
      return leaf
    },
    authorities: () => [...new Set([...trusted(authority), ca])],
    look,
  }

  function look(): Promise<void> {
    if (looking) isMissed = true
    else looking = lookNow()
    return looking
  }

  async function lookNow(): Promise<void> {
    do {
      isMissed = false
      const problem = await keepAuthority().catch(reason)
      if (problem && problem !== trouble) log('certificate authority not kept', { reason: problem })
      trouble = problem ?? undefined
      keepLeaf()
    } while (isMissed)
    looking = undefined
  }

  /** Follows the Secret. One that was deleted is written again, from memory. */
  async function keepAuthority(): Promise<void> {
    const stored = await secret.read()
    if (!stored) {
      if ((await secret.create(toData(authority))) === 'created')
        log('Secret written again', { name: caSecretName })
      else isMissed = true
      return
    }
    adopt(parseAuthority(stored.data))
    if (isLeading()) await step(stored)
  }

  async function step({ version }: Stored): Promise<void> {
    const next = rotate(authority, now(), isTrusted)
    if (next === authority) return
    if ((await secret.replace(toData(next), version)) === 'moved') isMissed = true
    else adopt(next)
  }

  function adopt(found: Authority): void {
    const before = describe(authority)
    authority = found
    const after = describe(authority)
    if (after !== before) log('certificate authority', { authorities: after })
  }

  /** A leaf of an authority that the API server does not trust yet is not served, unless what we serve is not trusted either. */
  function keepLeaf(): void {
    const { signer } = authority
    const isReplaced = signer.cert !== ca && (isTrusted(signer.cert) || !isTrusted(ca))
    if (!isReplaced && !isOld(leaf.cert, now().getTime())) return
    try {
      const signing = isReplaced || signer.cert === ca ? signer : undefined
      if (!signing) return
      leaf = signLeaf(signing, dnsNames, now())
      ca = signing.cert
      onRenew(leaf)
      log('certificate renewed', { until: new X509Certificate(leaf.cert).validTo })
    } catch (error) {
      log('certificate not renewed', { reason: reason(error) })
    }
  }

  /** Of two that find no Secret at the same time, the one that comes second takes what the first has made. */
  async function open(): Promise<Authority> {
    for (let attempts = 0; attempts < 5; attempts++) {
      const stored = await secret.read()
      const made = stored ? parseAuthority(stored.data) : createAuthority(now())
      // Whoever has been away for so long that the authority has ended need not wait for a leader.
      const authority = rotate(made, now(), isTrusted)
      const isUsable = authority === made || authority.signer === made.signer
      if (stored && isUsable) return made
      const done = stored
        ? await secret.replace(toData(authority), stored.version)
        : await secret.create(toData(authority))
      if (done === 'created' || done === 'replaced') return authority
    }
    throw new Error(`Secret ${caSecretName} is written by somebody else again and again`)
  }
}

function describe(authority: Authority): string {
  return trusted(authority)
    .map(cert => fingerprint(cert).slice(0, 11))
    .join(' ')
}
