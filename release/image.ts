// Which bytes a container runs. What runtimes write into `imageID` differs, and is not the name that the pod asked for
// (kubernetes/kubernetes#115199), so only the digest is read from it and the name always comes from the pod spec.

import { createHash } from 'node:crypto'

const digest = '[0-9a-f]{64}'
const imageIDForms = new RegExp(`(?:^|[@/])(?:sha256:)?(${digest})$`)
const pinnedForm = new RegExp(`@sha256:(${digest})$`)

/**
 * The 64 hex digits in a container status' `imageID`: `repo@sha256:…`, `docker-pullable://repo@sha256:…`,
 * `sha256:…` (a config digest: side-loaded images) or bare digits (CRI-O). Undefined when there are none yet.
 */
export function digestOf(imageID: string): string | undefined {
  return imageIDForms.exec(imageID)?.[1]
}

/** The id of what several containers make together: their own digest where it is one, else a digest of theirs in their order. */
export function combineDigests(digests: readonly string[]): string {
  const [first = '', ...others] = digests
  return others.length === 0 ? first : createHash('sha256').update(digests.join(',')).digest('hex')
}

/** The digest that a pod spec pins with `@sha256:…`: then no status is needed, nor believed. */
export function pinnedDigest(image: string): string | undefined {
  return pinnedForm.exec(image)?.[1]
}
