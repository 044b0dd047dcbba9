// Which version was live before the target: the one that was last ready, or, where that is the target itself (a restart), the one before it.

import type { Version } from '../protocol/release.ts'
import type { ReplicaSetRecord } from './versions.ts'

export interface Settled {
  /** The version of the last revision that became ready. */
  settled: Version | null
  /** The other one that was ready before it. */
  before: Version | null
}

/** Takes the version that is ready now, if one is. */
export function settle({ settled, before }: Settled, ready: Version | undefined): Settled {
  return ready && ready.id !== settled?.id ? { settled: ready, before: settled } : { settled, before }
}

/** A version may have turned out to be another name of an older one. */
export function renamed({ settled, before }: Settled, versions: readonly ReplicaSetRecord[]): Settled {
  const [last, older] = [rename(settled, versions), rename(before, versions)]
  return { settled: last, before: older?.id === last?.id ? null : older }
}

export function previousOf(target: Version, { settled, before }: Settled): Version | null {
  return target.id !== '' && target.id === settled?.id ? before : settled
}

function rename(version: Version | null, versions: readonly ReplicaSetRecord[]): Version | null {
  if (!version || versions.some(({ id }) => id === version.id)) return version
  const other = versions.find(({ digests }) => digests.includes(version.id))
  return other ? { id: other.id, name: version.name } : version
}
