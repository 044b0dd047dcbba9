// Writes Release objects: the one durable record of each Deployment's state. The replica that holds the Lease is its only
// writer; should there be another one after all (a write that was long on its way), the resource version makes the later one fail, and we look again.

import { group, resource } from '../protocol/names.ts'
import { ApiUnreachable, refusal } from '../release/api.ts'
import type { Api, ApiResponse } from '../release/api.ts'
import type { Deployment } from '../release/objects.ts'
import { parseRelease, releasesPath, toStatus } from '../release/record.ts'
import type { Release, ReleaseRecord } from '../release/record.ts'

const apiVersion = `${group}/${resource.version}`

/**
 * Writes a record, making the Release first when there is none. Returns the Release as written; undefined when somebody else wrote in
 * the meantime (or deleted it): read it and work the state out again. Throws on any other refusal.
 */
export async function writeRelease(
  api: Pick<Api, 'request'>,
  deployment: Deployment,
  record: ReleaseRecord,
  resourceVersion: string | undefined,
): Promise<Release | undefined> {
  const version = resourceVersion ?? (await create(api, deployment))?.resourceVersion
  if (!version) return undefined
  const { namespace, name } = deployment
  const response = await api.request({
    method: 'PUT',
    path: `${releasesPath(namespace)}/${name}/status`,
    body: {
      apiVersion,
      kind: resource.kind,
      metadata: { name, namespace, resourceVersion: version },
      status: toStatus(record),
    },
  })
  if (response.status === 409 || response.status === 404) return undefined
  return expectRelease(response)
}

/** Reads one; undefined when there is none. */
export async function readRelease(api: Api, namespace: string, name: string): Promise<Release | undefined> {
  const response = await api.request({ path: `${releasesPath(namespace)}/${name}` })
  return response.status === 404 ? undefined : expectRelease(response)
}

async function create(api: Pick<Api, 'request'>, deployment: Deployment): Promise<Release | undefined> {
  const response = await createRelease(api, deployment)
  return response.status === 409 ? undefined : expectRelease(response)
}

/** Makes the Release of a Deployment, without a record. */
export function createRelease(
  api: Pick<Api, 'request'>,
  { namespace, name, uid }: Deployment,
  annotations: Record<string, string> = {},
): Promise<ApiResponse> {
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'Deployment', name, uid }]
  return api.request({
    method: 'POST',
    path: releasesPath(namespace),
    body: { apiVersion, kind: resource.kind, metadata: { name, namespace, annotations, ownerReferences } },
  })
}

function expectRelease(response: ApiResponse): Release {
  const release = response.status < 300 ? parseRelease(response.body) : undefined
  if (!release) throw new ApiUnreachable(`a Release was refused: ${refusal(response)}`)
  return release
}
