// How fast a pod that ends sends its tabs elsewhere: they all come back to the pods that stay, so never more than 2,000 a second.

export interface Pace {
  /** Tabs closed at a time. */
  batch: number
  /** Milliseconds from one batch to the next. */
  everyMs: number
  /** Milliseconds within which a closed tab reconnects, at a random moment. */
  withinMs: number
}

const most = 500

/** What a tab is told that comes while draining: time for the load balancers to notice that this pod ends. */
export const laterMs = most

/** Takes the number of open tabs. Up to 1,000 are closed at once; what they are told spreads them. */
export function pace(tabs: number): Pace {
  if (tabs <= 1_000) return { batch: tabs, everyMs: 0, withinMs: Math.min(most, Math.max(200, tabs / 2)) }
  return { batch: 100, everyMs: 50, withinMs: most }
}
