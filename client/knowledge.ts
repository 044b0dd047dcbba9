// What is known of the release: the greatest state heard. Losing, repeating or reordering messages changes nothing.

import type { HeardState } from '../protocol/message.ts'
import { compareStates, isSameDeployment } from '../protocol/release.ts'

/**
 * Takes what is known, a state just heard, and whether it came over the present connection.
 * Returns what is known now. Another Deployment behind the same origin (blue/green) has an order of its own:
 * only the present connection says which of the two answers us.
 */
export function learn(known: HeardState | null, heard: HeardState, isPresent: boolean): HeardState {
  if (!known) return heard
  if (!isSameDeployment(known, heard)) return isPresent ? heard : known
  return compareStates(heard, known) > 0 ? heard : known
}
