// What a screen reader is told: that something has become otherwise, never how far it is.

import type { Change } from './fleet.ts'

/** A sentence where the app came to another status or began another rollout; undefined otherwise. */
export function announcement({ before, after }: Change): string | undefined {
  if (!before || (before.status === after.status && before.revision === after.revision)) return undefined
  const { available, desired } = after.replicas
  switch (after.status) {
    case 'rolling':
      return `${after.id}: rollout of revision ${after.revision} has begun`
    case 'ready':
      return before.status === 'stopped'
        ? `${after.id}: started, ${available} of ${desired} available`
        : `${after.id}: rollout complete, ${available} of ${desired} available`
    case 'failing':
      return `${after.id}: rollout is failing. ${after.message}`
    case 'paused':
      return `${after.id}: rollout is paused`
    case 'stopped':
      return `${after.id}: scaled to 0`
    default:
      return undefined // of a later server
  }
}

/** Many at once are counted, not read out. */
export function summary(sentences: string[]): string {
  return sentences.length > 3 ? `${sentences.length} apps changed their status` : sentences.join('. ')
}
