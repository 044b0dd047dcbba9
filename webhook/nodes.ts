// Whether every kubelet runs native sidecars well: they came with 1.29, and are final since 1.33 (KEP-753). Kubelets are upgraded
// node by node over hours, so they are listed now and then instead of watched: a watch would bring every heartbeat with all of a node's images.

import { setTimeout as sleep } from 'node:timers/promises'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import { isObject } from '../protocol/release.ts'
import { refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'
import { pagesOf } from '../release/pages.ts'
import { list } from '../release/raw.ts'

export interface Nodes {
  /** Resolves when they have been listed, or could not be. */
  looked: Promise<void>
  /** False as long as that is not known, and in a cluster without nodes. */
  areNative(): boolean
  close(): void
}

const minor = 33
/** A table as kubectl prints it: a few hundred bytes for each node, instead of some 15 KiB. */
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io'

export function lookAtNodes({
  api,
  log,
  everyMs = 600_000,
}: {
  api: Api
  log: Log
  everyMs?: number
}): Nodes {
  const closing = new AbortController()
  let native = false
  const looked = look()
  void repeat()
  return { looked, areNative: () => native, close: () => closing.abort() }

  async function repeat(): Promise<void> {
    while (!closing.signal.aborted) {
      await sleep(everyMs, undefined, { signal: closing.signal, ref: false }).catch(() => {})
      if (!closing.signal.aborted) await look()
    }
  }

  async function look(): Promise<void> {
    try {
      const versions = await kubeletVersions(api)
      const was = native
      native = versions.length > 0 && versions.every(isNative)
      if (native !== was)
        log('form of new sidecars', { form: native ? 'native' : 'plain', nodes: versions.length })
    } catch (error) {
      log('nodes not listed', { reason: reason(error) }) // what was known of them stays
    }
  }
}

/** `v1.33.1`, `v1.33.1-gke.100`, `v1.34.0+k3s1`. What is not written like that is no kubelet that we know. */
function isNative(version: string): boolean {
  const [, major, found] = /^v(\d+)\.(\d+)\./.exec(version) ?? []
  return Number(major) > 1 || (Number(major) === 1 && Number(found) >= minor)
}

async function kubeletVersions(api: Api): Promise<string[]> {
  const versions: string[] = []
  const request = { path: '/api/v1/nodes', query: { includeObject: 'None' }, accept: table }
  for await (const response of pagesOf(api, request)) {
    const { body } = response
    if (response.status !== 200 || !isObject(body)) throw new Error(refusal(response))
    const column = list(body.columnDefinitions).findIndex(({ name }) => name === 'Version')
    if (column < 0) throw new Error('the nodes have no column Version')
    for (const { cells } of list(body.rows)) versions.push(String(Array.isArray(cells) ? cells[column] : ''))
  }
  return versions
}
