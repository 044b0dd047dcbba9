// Writes our certificate authority into our webhook configuration. By server-side apply under our own field manager, so that whoever
// installed the configuration (kubectl, Helm, Argo CD) neither sees a difference nor takes it away.

import { fieldManager, webhookConfigurationName, webhookName } from '../protocol/names.ts'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import { patchType, refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'

const repeatMs = 60_000 // heals it where somebody wiped it

export interface CaBundle {
  /** Whether the configuration carried our authority when we last wrote it. */
  isWritten(): boolean
  close(): void
}

/** Starts at once and repeats; what goes wrong is logged and tried again. `pem` is the certificate authority. */
export function keepCaBundle({ api, pem, log }: { api: Api; pem: string; log: Log }): CaBundle {
  let written = false
  let timer: NodeJS.Timeout | undefined
  let closed = false
  void write()
  return { isWritten: () => written, close }

  function close(): void {
    closed = true
    clearTimeout(timer)
  }

  async function write(): Promise<void> {
    const problem = await apply().catch(reason)
    if (problem) log('caBundle not written', { reason: problem })
    else if (!written) log('caBundle written')
    written = problem === undefined
    if (!closed) timer = setTimeout(() => void write(), written ? repeatMs : 1000)
  }

  async function apply(): Promise<string | undefined> {
    const response = await api.request({
      method: 'PATCH',
      path: `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${webhookConfigurationName}`,
      query: { fieldManager, force: true },
      contentType: patchType.apply,
      body: {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'MutatingWebhookConfiguration',
        metadata: { name: webhookConfigurationName },
        webhooks: [{ name: webhookName, clientConfig: { caBundle: Buffer.from(pem).toString('base64') } }],
      },
    })
    return response.status === 200 ? undefined : refusal(response)
  }
}
