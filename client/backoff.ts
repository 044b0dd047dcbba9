// How long to wait before the next attempt. Always random: after a rollout every tab of an app reconnects at once.

import { closeCode } from '../protocol/names.ts'

/** What a server may ask for at most: a longer wait would make a tab deaf. */
const maxAskedMs = 10 * 60_000

/**
 * Takes the code and reason of a close (1006 when there was none), how many connections in a row were not stable, and whether
 * nobody looks at the page. Returns milliseconds to wait before the next one.
 */
export function reconnectDelay(
  code: number,
  reason: string,
  failures: number,
  random: () => number,
  isHidden = false,
): number {
  const ceilingMs = Math.min(isHidden ? 60_000 : 30_000, 1_000 * 2 ** failures)
  const asked = /"d":\s*(\d+)/.exec(reason)?.[1]
  const askedMs = asked ? Math.min(maxAskedMs, Number(asked)) : undefined
  // A server that closes everybody at once, for ever, must not be dialled without end. But endpoints lag behind a drain:
  // a few dials in a row that end at pods which go away as well are usual, and must not cost the news its few seconds.
  const floorMs = failures < (code === closeCode.draining ? 6 : 3) ? 0 : ceilingMs
  if (code === closeCode.draining) return random() * Math.max(askedMs ?? ceilingMs, floorMs)
  if (code === closeCode.maxAge) return random() * Math.max(5_000, floorMs)
  if (code === closeCode.full) return (1 + random()) * (askedMs ?? 30_000)
  return random() * ceilingMs
}

/** How often in a row a look that met another version is repeated soon. */
export const maxLags = 3

/**
 * Takes how often that was done; returns milliseconds until the next time: about 1, 2 and 4 s. What balances single requests knows the last old pod for a
 * while after it has ceased to count: ingress-nginx hears of pods every 3.3 s, Traefik every 2 s.
 */
export function lagDelay(lags: number, random: () => number): number {
  return (0.75 + random() / 2) * 1_000 * 2 ** lags
}

/**
 * Takes how often a document was fetched in vain; returns milliseconds until it is fetched again: about
 * 5 s, 30 s, 2 min, then every 10 min, for as long as a cache on the way keeps the old one.
 */
export function verifyDelay(failures: number, random: () => number): number {
  return (0.75 + random() / 2) * ([5_000, 30_000, 120_000][failures - 1] ?? 600_000)
}

/** Milliseconds from one polling to the next: 5 min ± 20 %. */
export function pollDelay(random: () => number): number {
  return (0.8 + 0.4 * random()) * 300_000
}

/**
 * Takes how often it was tried in vain; returns milliseconds after which a page that had to settle for less than a WebSocket tries one
 * again: 30 s, then twice as long each time, at most 30 min; ± 20 %. It may have settled for less only because pods without a sidecar answered.
 */
export function climbDelay(climbs: number, random: () => number): number {
  return (0.8 + 0.4 * random()) * Math.min(1_800_000, 30_000 * 2 ** climbs)
}
