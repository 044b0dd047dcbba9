// What makes the API server trust us: a certificate, and its authority in the webhook configuration. Neither moves without the other: a leaf is served
// once its authority was seen there, and an authority stays there as long as a leaf of it may be served.

import type { Log } from '../protocol/log.ts'
import type { Api } from '../release/api.ts'
import type { KeyPair } from './authority.ts'
import { keepCaBundle } from './ca-bundle.ts'
import { caSecret, watchCaSecret } from './ca-secret.ts'
import { openCertificate } from './certificate.ts'
import { openCertificateFiles } from './certificate-files.ts'

export interface Trust {
  readonly leaf: KeyPair
  /** PEM: the authority that signed the leaf. */
  readonly ca: string
  /** Whether the API server trusts the leaf, as far as we have seen. */
  isTrusted(): boolean
  close(): Promise<void>
}

export interface TrustOptions {
  api: Api
  /** Where the Secret is. */
  namespace: string
  /** Where mounted files are, instead of the Secret. */
  tlsDir: string | undefined
  dnsNames: readonly [string, ...string[]]
  isLeading(): boolean
  /** Told of each new leaf but the first. */
  onRenew(leaf: KeyPair): void
  log: Log
}

// The clock on the wall is looked at each minute: one long timer would sleep on where the machine was paused, and overflows at 24.8 days.
const checkMs = { secret: 60_000, files: 5_000 }

/** Resolves with a leaf; its authority is written from then on. Throws when the Secret or a file cannot be read or holds something else. */
export async function openTrust(options: TrustOptions): Promise<Trust> {
  const { api, namespace, tlsDir, dnsNames, isLeading, onRenew, log } = options
  const common = { isTrusted: (ca: string) => caBundle.isTrusted(ca), onRenew, log }
  let isOpen = false
  const caBundle = keepCaBundle({
    api,
    wanted: () => certificate.authorities(),
    isLeading,
    onMoved: turn,
    log,
  })
  const certificate = tlsDir
    ? await openCertificateFiles({ ...common, dir: tlsDir })
    : await openCertificate({ ...common, secret: caSecret(api, namespace), dnsNames, isLeading })
  isOpen = true
  const watch = tlsDir ? undefined : watchCaSecret({ api, namespace, log, onMoved: turn })
  const timer = setInterval(turn, tlsDir ? checkMs.files : checkMs.secret)
  turn()
  return {
    get leaf() {
      return certificate.leaf
    },
    get ca() {
      return certificate.ca
    },
    isTrusted: () => caBundle.isTrusted(certificate.ca),
    close,
  }

  function turn(): void {
    if (isOpen) void certificate.look().then(caBundle.look)
  }

  async function close(): Promise<void> {
    isOpen = false
    clearInterval(timer)
    await Promise.all([caBundle.close(), watch?.close()])
  }
}
