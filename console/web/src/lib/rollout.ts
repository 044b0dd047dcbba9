// How far a rollout is, and how a change of version is written in little room.

import type { ConsoleVersion, RolloutCounts } from '../../../../protocol/console.ts'

export interface Progress {
  /** Pods of the target that are available, as far as the four numbers tell. */
  done: number
  /** Pods of the target that are not yet. */
  going: number
  /** Pods of older ReplicaSets. */
  old: number
  desired: number
}

/** Old pods count as available ones first: a rollout is never shown further than it is. */
export function progressOf({ desired, updated, available, old }: RolloutCounts): Progress {
  const done = Math.max(0, Math.min(updated, available - old))
  return { done, going: updated - done, old, desired }
}

export interface VersionLabel {
  /** What differs: a tag, or some digits of the digest. */
  short: string
  /** Image and digest. */
  full: string
}

/** The shortest that tells them apart: tags where they differ, else the first digits of the digests. */
export function versionLabels(
  target: ConsoleVersion,
  previous: ConsoleVersion | null,
): { to: VersionLabel; from: VersionLabel | null } {
  const isSameName = previous !== null && previous.name === target.name
  const label = (version: ConsoleVersion): VersionLabel => ({
    short:
      isSameName && version.id
        ? `${tagOf(version.name)} ${shortId(version.id)}`
        : tagOf(version.name) || shortId(version.id) || '–',
    full: [version.name, version.id && `sha256:${version.id}`].filter(Boolean).join('\n'),
  })
  return { to: label(target), from: previous && label(previous) }
}

/** `registry:5000/shop/web:1.15` is `web`. */
export function imageName(image: string): string {
  return parts(image).name
}

/** `registry:5000/shop/web:1.15` is `1.15`; of an image named by its digest the first 7 digits; `latest` where there is neither. */
export function tagOf(image: string): string {
  return parts(image).tag
}

/** As git shortens: the first 7 digits. */
export function shortId(id: string): string {
  return id.slice(0, 7)
}

function parts(image: string): { name: string; tag: string } {
  const last = image.slice(image.lastIndexOf('/') + 1)
  const [, name = last, tag, digest] = /^([^:@]*)(?::([^@]*))?(?:@sha256:(.*))?$/.exec(last) ?? []
  return { name, tag: tag ?? (digest ? shortId(digest) : image && 'latest') }
}
