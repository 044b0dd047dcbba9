// The feed by the API server: watches the Release of this pod's own Deployment, with the token that only our container mounts.
// Whatever goes wrong, the last known state stays and the file of the other feed is still read. A bundle of its own (build.js), because the
// client of the API server costs more memory than the rest of the sidecar.

import { reason } from '../../protocol/log.ts'
import type { Log } from '../../protocol/log.ts'
import { isObject, parseReleaseState } from '../../protocol/release.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import { createApi } from '../../release/api.ts'
import { loadKubeConfig } from '../../release/kubeconfig.ts'
import type { Api } from '../../release/api.ts'
import { releasesPath } from '../../release/record.ts'
import { watchResource } from '../../release/watch.ts'
import type { Watch } from '../../release/watch.ts'
import type { Feed } from './feed.ts'

export interface WatchFeedOptions {
  namespace: string
  /** The Deployment. */
  name: string
  /** Called with each state that is read, also with one that was read before. */
  offer(state: ReleaseState): void
  log: Log
  /** Throws when there are no credentials. Default: as kubectl finds them, then the pod's service account. */
  connect?(): Api
  /** The first delay after a failure is a random part of this, in milliseconds; it doubles up to a minute. Default: 1,000. */
  backoffMs?: number
}

const noCredentialsMs = 60_000 // a volume that is not there now will hardly come

export function createWatchFeed(options: WatchFeedOptions): Feed {
  const { namespace, name, offer, log, connect = () => createApi(loadKubeConfig), backoffMs } = options
  let api: Api | undefined
  let watch: Watch<ReleaseState> | undefined
  let retry: NodeJS.Timeout | undefined
  let errors = 0
  return { open, close, errors: () => errors }

  function open(): void {
    try {
      api = connect()
    } catch (error) {
      tell(reason(error))
      retry = setTimeout(open, noCredentialsMs)
      return
    }
    watch = watchResource({
      api,
      path: releasesPath(namespace),
      fieldSelector: `metadata.name=${name}`,
      parse: raw => (isObject(raw) ? parseReleaseState(raw.status) : undefined),
      onChange: ({ type, object }) => type === 'upsert' && offer(object), // what was live stays so without a Release
      onTrouble: tell,
      log: () => {}, // one line for each attempt would be too many; `tell` is called when something changes
      ...(backoffMs !== undefined && { backoffMs }),
    })
  }

  function close(): void {
    clearTimeout(retry)
    void watch?.close()
    api?.close()
  }

  function tell(trouble: string | undefined): void {
    if (trouble === undefined) return log('release watched', { namespace, name })
    errors++
    log('release not watched', { code: 'feed_error', reason: trouble })
  }
}
