// Installs manifests/ as it is, but for what the demo has no use of: the webhook runs as a process of this machine instead of a Deployment,
// and there are no rights and policies, since the demo's API server has no users.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'
import { parseObject } from './api-server/objects.ts'
import type { KubeObject } from './api-server/objects.ts'

const leftOut = new Set([
  'Deployment',
  'PodDisruptionBudget',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'ServiceAccount',
  'ClusterRole',
  'ClusterRoleBinding',
  'Role',
  'RoleBinding',
  'PodDisruptionBudget',
  'NetworkPolicy',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
])

/** Takes the folder. Throws when the API server refuses an object. */
export async function install(api: Api, folder: string): Promise<void> {
  for (const object of readManifests(folder)) if (!leftOut.has(object.kind)) await create(api, object)
}

/** Creates one object of a kind whose plural is regular. Throws when it is refused. */
export async function create(api: Api, object: KubeObject): Promise<void> {
  const { apiVersion, kind, metadata } = object
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const inside = metadata.namespace ? `/namespaces/${metadata.namespace}` : ''
  const path = `${root}${inside}/${kind.toLowerCase()}s`
  const response = await api.request({ method: 'POST', path, body: object })
  if (response.status !== 201) throw new Error(`${kind} ${metadata.name}: ${refusal(response)}`)
}

function readManifests(folder: string): KubeObject[] {
  return readdirSync(folder)
    .filter(file => file.endsWith('.yaml'))
    .sort()
    .flatMap(file => parseAllDocuments(readFileSync(join(folder, file), 'utf8')))
    .flatMap(document => parseObject(document.toJS()) ?? [])
}
