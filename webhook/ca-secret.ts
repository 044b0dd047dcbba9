// Keeps our certificate authority in a Secret, so that a restart does not change it.

import { caSecretName } from '../protocol/names.ts'
import { isObject, isString } from '../protocol/release.ts'
import { refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'

export interface KeyPair {
  /** PEM. */
  cert: string
  /** PEM, PKCS #8. */
  key: string
}

export interface CaSecret {
  /** Undefined when there is none. Throws when it cannot be read. */
  read(): Promise<KeyPair | undefined>
  create(pair: KeyPair): Promise<'created' | 'exists'>
}

export function caSecret(api: Api, namespace: string): CaSecret {
  const path = `/api/v1/namespaces/${namespace}/secrets`
  return { read, create }

  async function read(): Promise<KeyPair | undefined> {
    const response = await api.request({ path: `${path}/${caSecretName}` })
    if (response.status === 404) return undefined
    const data = isObject(response.body) && isObject(response.body.data) ? response.body.data : {}
    if (response.status !== 200) throw new Error(`Secret ${namespace}/${caSecretName}: ${refusal(response)}`)
    return { cert: decode(data['ca.crt']), key: decode(data['ca.key']) }
  }

  async function create({ cert, key }: KeyPair): Promise<'created' | 'exists'> {
    const response = await api.request({
      method: 'POST',
      path,
      body: {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: caSecretName, namespace },
        type: 'Opaque',
        stringData: { 'ca.crt': cert, 'ca.key': key },
      },
    })
    if (response.status === 409) return 'exists'
    if (response.status >= 300) throw new Error(`Secret ${namespace}/${caSecretName}: ${refusal(response)}`)
    return 'created'
  }
}

function decode(base64: unknown): string {
  return isString(base64) ? Buffer.from(base64, 'base64').toString() : ''
}
