// Keeps our certificate authority in a Secret, so that a restart does not change it and all replicas have the same.

import { caSecretName } from '../protocol/names.ts'
import type { Log } from '../protocol/log.ts'
import { isObject, isString } from '../protocol/release.ts'
import { refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'
import { parseMeta } from '../release/objects.ts'
import { watchResource } from '../release/watch.ts'
import type { CaData } from './authority.ts'

export interface CaSecret {
  /** Undefined when there is none. Throws when it cannot be read. */
  read(): Promise<Stored | undefined>
  create(data: CaData): Promise<'created' | 'exists'>
  /** `moved`: somebody else has written it since. */
  replace(data: CaData, version: string): Promise<'replaced' | 'moved'>
}

export interface Stored {
  data: CaData
  version: string
}

export function caSecret(api: Api, namespace: string): CaSecret {
  const path = `/api/v1/namespaces/${namespace}/secrets`
  return { read, create, replace }

  async function read(): Promise<Stored | undefined> {
    const response = await api.request({ path: `${path}/${caSecretName}` })
    if (response.status === 404) return undefined
    if (response.status !== 200) throw refused(refusal(response))
    const { data, metadata } = response.body as Record<string, unknown>
    const fields = isObject(data) ? data : {}
    const next = decode(fields['next.key'])
    return {
      data: {
        'ca.crt': decode(fields['ca.crt']),
        'ca.key': decode(fields['ca.key']),
        ...(next !== '' && { 'next.key': next }),
      },
      version: isObject(metadata) && isString(metadata.resourceVersion) ? metadata.resourceVersion : '',
    }
  }

  async function create(data: CaData): Promise<'created' | 'exists'> {
    const response = await api.request({ method: 'POST', path, body: secret(data) })
    if (response.status === 409) return 'exists'
    if (response.status >= 300) throw refused(refusal(response))
    return 'created'
  }

  async function replace(data: CaData, version: string): Promise<'replaced' | 'moved'> {
    const response = await api.request({
      method: 'PUT',
      path: `${path}/${caSecretName}`,
      body: secret(data, version),
    })
    if (response.status === 409 || response.status === 404) return 'moved'
    if (response.status >= 300) throw refused(refusal(response))
    return 'replaced'
  }

  function secret(data: CaData, version?: string) {
    return {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: caSecretName, namespace, ...(version && { resourceVersion: version }) },
      type: 'Opaque',
      stringData: data,
    }
  }

  function refused(why: string): Error {
    return new Error(`Secret ${namespace}/${caSecretName}: ${why}`)
  }
}

/** Tells each time that the Secret was written or deleted. */
export function watchCaSecret(options: { api: Api; namespace: string; log: Log; onMoved(): void }): {
  close(): Promise<void>
} {
  const { api, namespace, log, onMoved } = options
  return watchResource({
    api,
    log,
    path: `/api/v1/namespaces/${namespace}/secrets`,
    fieldSelector: `metadata.name=${caSecretName}`, // which lets RBAC hold us to this one
    parse: parseMeta,
    onChange: onMoved,
  })
}

function decode(base64: unknown): string {
  return isString(base64) ? Buffer.from(base64, 'base64').toString() : ''
}
