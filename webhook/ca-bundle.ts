// Keeps our certificate authorities in our webhook configuration. By server-side apply under our own field manager, so that whoever
// installed the configuration (kubectl, Helm, Argo CD) neither sees a difference nor takes it away. It is watched: what somebody wipes is
// written again at once, but whoever wipes it again and again is answered ever later.

import { fieldManager, webhookConfigurationName } from '../protocol/names.ts'
import type { Log } from '../protocol/log.ts'
import { isObject, isString } from '../protocol/release.ts'
import { patchType, refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'
import { createQueue } from '../release/queue.ts'
import { watchResource } from '../release/watch.ts'
import { certificatesIn, fingerprint } from './authority.ts'

export interface CaBundleOptions {
  api: Api
  /** What must be trusted: PEM, one certificate each. */
  wanted(): string[]
  /** Of all replicas one takes away what nobody needs any more. */
  isLeading(): boolean
  /** Told when the configuration has moved. */
  onMoved(): void
  log: Log
  now?(): number
}

export interface CaBundle {
  /** Whether each of our webhooks trusted this authority when we last saw the configuration. Whatever comes later is our watch's trouble. */
  isTrusted(ca: string): boolean
  /** To be called each minute, and when something has moved: compares what is wanted with what is there. */
  look(): void
  close(): Promise<void>
}

interface Entry {
  name: string
  certs: string[]
}

const strayMs = 10 * 60_000 // another replica may still serve a leaf of an authority that we know nothing of
const maxStray = 4
const minuteMs = 60_000

/** Starts at once; what goes wrong is logged and tried again. */
export function keepCaBundle(options: CaBundleOptions): CaBundle {
  const { api, wanted, isLeading, onMoved, log, now = Date.now } = options
  const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'
  const strays = new Map<string, number>() // fingerprint → since when
  let writes: number[] = []
  const queue = createQueue({ work: keep, gatherMs: 10, log })
  const configurations = watchResource({
    api,
    log,
    path,
    fieldSelector: `metadata.name=${webhookConfigurationName}`,
    parse: parseEntries,
    onChange: onMoved,
  })
  return { isTrusted, look, close }

  function isTrusted(ca: string): boolean {
    const entries = present()
    return entries.length > 0 && entries.every(({ certs }) => missing([ca], certs).length === 0)
  }

  function look(): void {
    queue.add(webhookConfigurationName)
  }

  async function close(): Promise<void> {
    await Promise.all([configurations.close(), queue.close()])
  }

  function present(): Entry[] {
    return configurations.objects.get(webhookConfigurationName) ?? []
  }

  async function keep(): Promise<void> {
    const entries = present()
    const needed = wanted()
    const found = [...new Set(entries.flatMap(({ certs }) => certs))]
    const stray = missing(found, needed)
    const isMissing = entries.some(({ certs }) => missing(needed, certs).length > 0)
    const isSuperfluous = isLeading() && stray.some(isOverdue)
    forget(stray)
    if (!isMissing && !isSuperfluous) return
    const waitMs = pauseMs()
    if (waitMs > 0) return queue.later(webhookConfigurationName, waitMs)
    const kept = stray.filter(cert => !isOverdue(cert)).slice(0, maxStray)
    await apply(
      entries.map(({ name }) => name),
      [...needed, ...kept].join(''),
    )
    writes.push(now())
    log('caBundle written', { authorities: needed.length + kept.length, missing: isMissing })
  }

  function isOverdue(cert: string): boolean {
    const id = fingerprint(cert)
    const since = strays.get(id) ?? now()
    strays.set(id, since)
    return now() - since >= strayMs
  }

  function forget(stray: readonly string[]): void {
    const ids = new Set(stray.map(fingerprint))
    for (const id of strays.keys()) if (!ids.has(id)) strays.delete(id)
  }

  /** Somebody fights us: the third time within a minute we wait 1 s, then 2, 4, up to 32. */
  function pauseMs(): number {
    writes = writes.filter(time => now() - time < minuteMs)
    const last = writes.at(-1)
    if (last === undefined || writes.length < 3) return 0
    return Math.max(0, last + 1_000 * 2 ** Math.min(5, writes.length - 3) - now())
  }

  async function apply(names: readonly string[], pem: string): Promise<void> {
    const caBundle = Buffer.from(pem).toString('base64')
    const response = await api.request({
      method: 'PATCH',
      path: `${path}/${webhookConfigurationName}`,
      query: { fieldManager, force: true },
      contentType: patchType.apply,
      body: {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'MutatingWebhookConfiguration',
        metadata: { name: webhookConfigurationName },
        webhooks: names.map(name => ({ name, clientConfig: { caBundle } })),
      },
    })
    if (response.status !== 200) throw new Error(`the caBundle was not written: ${refusal(response)}`)
  }
}

/** Those of the first that the second do not have. */
function missing(certs: readonly string[], among: readonly string[]): string[] {
  const ids = new Set(among.map(fingerprint))
  return certs.filter(cert => !ids.has(fingerprint(cert)))
}

function parseEntries(data: unknown): Entry[] | undefined {
  if (!isObject(data) || !Array.isArray(data.webhooks)) return undefined
  return data.webhooks.filter(isObject).map(({ name, clientConfig }) => {
    const { caBundle } = isObject(clientConfig) ? clientConfig : {}
    const pem = isString(caBundle) ? Buffer.from(caBundle, 'base64').toString() : ''
    return { name: String(name), certs: certificatesIn(pem) }
  })
}
