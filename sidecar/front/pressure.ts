// What to give up as the process's memory comes near its limit, the cheapest first: the cache, then whoever is not here yet.
// Answers that are running go on, until so little is left that the process might be killed: that would end them all, and every tab with them.

/** `high`: nothing is kept in memory for others. `critical`: and no connection and no tab is let in. */
export type Pressure = 'none' | 'high' | 'critical'

/** Parts of the limit. Of 192 MiB, all tabs and a full cache take two thirds by default. */
const highAt = 0.8
const criticalAt = 0.9
const margin = 0.05 // so that what was given up does not come back at once, and go again

/** Takes what was, and how much of the limit is in use, from 0 to 1. */
export function pressureOf(before: Pressure, used: number): Pressure {
  if (used >= criticalAt - (before === 'critical' ? margin : 0)) return 'critical'
  if (used >= highAt - (before === 'none' ? 0 : margin)) return 'high'
  return 'none'
}

/**
 * Takes what is in use and the limit, in bytes; returns how much of it has to go at once: as long as nobody is let in, all that is above `high`.
 * Less would do to be out of danger, but those who are left could fill the rest, and keep everybody else out for as long as they like.
 */
export function excessOf(pressure: Pressure, used: number, limit: number): number {
  return pressure === 'critical' ? used - highAt * limit : 0
}
