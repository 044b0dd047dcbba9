// All feeds of this pod: the file always, and the API server where the annotation asks for it. The newest state wins, wherever it came from,
// so the file is the first state and what is left when the API server is away.

import { reason } from '../../protocol/log.ts'
import { createDownwardFeed } from './downward.ts'
import type { DownwardOptions } from './downward.ts'
import type { Feed } from './feed.ts'

export interface FeedsOptions extends DownwardOptions {
  namespace: string
  /** The Deployment. */
  name: string
  feed: 'downward' | 'watch'
}

export interface Feeds {
  /** Never throws. */
  open(): void
  close(): void
  /** By feed: how often it began to fail, or failed in another way. */
  errors(): [feed: string, errors: number][]
}

export function createFeeds(options: FeedsOptions): Feeds {
  const feeds = new Map<FeedsOptions['feed'], Feed>([['downward', createDownwardFeed(options)]])
  let isClosed = false
  return { open, close, errors: () => [...feeds].map(([name, feed]) => [name, feed.errors()]) }

  function open(): void {
    feeds.get('downward')?.open()
    if (options.feed === 'watch')
      watch().catch((error: unknown) =>
        options.log('release not watched', { code: 'feed_error', reason: reason(error) }),
      )
  }

  /** Loaded only where it is wanted, and after the file was read: nobody waits for it. */
  async function watch(): Promise<void> {
    const { createWatchFeed } = await import('./watch.ts')
    if (isClosed) return
    const feed = createWatchFeed(options)
    feeds.set('watch', feed)
    feed.open()
  }

  function close(): void {
    isClosed = true
    for (const feed of feeds.values()) feed.close()
  }
}
