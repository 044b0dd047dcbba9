// What travels on /__spa/ws, /__spa/events and /__spa/version: one JSON object per frame, each the whole release state.
// The fields of the original (created_at … previous_image) are kept beside ours, so that its clients can read us.

import { isCount, isObject, isString, parseKnown, parseLive } from './release.ts'
import type { Phase, ReleaseState, Version, Why } from './release.ts'

export interface StateMessage {
  v: 1
  type: 'state'
  created_at: string
  /** Absent with `expose: id`. */
  namespace?: string
  name: string
  /** The target's image as written in the pod spec. Absent with `expose: id`. */
  image?: string
  /** The target's id, '' while no pod has reported one. */
  sha256: string
  current_image: OriginalImage
  previous_image: OriginalImage | Record<string, never>
  epoch: string
  serial: number
  revision: number
  phase: Phase
  live: ReleaseState['live']
  known: ReleaseState['known']
  why: Why
  /** Tabs act on news after a random part of this, in milliseconds, so that a large fleet does not stampede. */
  spread_ms: number
  /** How often the server proves that it is there, in milliseconds. */
  heartbeat_ms: number
}

export interface HeartbeatMessage {
  v: 1
  type: 'heartbeat'
}

/** One of another version of the protocol: nothing in it may be relied on. */
export interface UnknownMessage {
  type: 'unknown'
}

/** What our client reads of a state. The rest is for those of the original, and for people. */
export type HeardState = Omit<StateMessage, 'created_at' | 'namespace' | 'current_image' | 'previous_image'>

export type ServerMessage = HeardState | HeartbeatMessage | UnknownMessage

interface OriginalImage {
  name?: string
  sha256: string
}

export interface Telling {
  spreadMs: number
  heartbeatMs: number
  /** `id` keeps the namespace and the image names from browsers. */
  expose: 'image' | 'id'
}

/** The client's only message: it asks for the state. */
export const probe = 'p'

/** Builds the message that tells browsers a state. */
export function stateMessage(state: ReleaseState, { spreadMs, heartbeatMs, expose }: Telling): StateMessage {
  const { namespace, name, epoch, serial, revision, phase, live, known, why, target, previous } = state
  const named = expose === 'image'
  const image = (version: Version): OriginalImage =>
    named ? { name: version.name, sha256: version.id } : { sha256: version.id }
  return {
    v: 1,
    type: 'state',
    created_at: state.since,
    ...(named && { namespace }),
    name,
    ...(named && { image: target.name }),
    sha256: target.id,
    current_image: image(target),
    previous_image: previous ? image(previous) : {},
    epoch,
    serial,
    revision,
    phase,
    live,
    known,
    why,
    spread_ms: spreadMs,
    heartbeat_ms: heartbeatMs,
  }
}

/**
 * Builds the message for a client of the original, which is told when another version is ready and never at any other time. It is the same message
 * with the images' names as the original sent them.
 */
export function originalMessage(state: ReleaseState, telling: Telling): StateMessage {
  const message = stateMessage(state, telling)
  const { current_image, previous_image } = message
  return { ...message, current_image: familiar(current_image), previous_image: familiar(previous_image) }
}

function familiar<Image extends { name?: string }>(image: Image): Image {
  return image.name === undefined
    ? image
    : { ...image, name: image.name.split(' + ').map(fullName).join(' + ') }
}

/**
 * What a short name stands for: `nginx:1` → `docker.io/library/nginx:1`
 * (github.com/distribution/reference, splitDockerDomain in normalize.go, by which the original wrote names).
 */
function fullName(image: string): string {
  const [, first, rest] = /^([^/]*)\/(.*)$/.exec(image) ?? []
  const isDomain =
    first !== undefined && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase())
  const domain = isDomain && first !== 'index.docker.io' ? first : 'docker.io'
  const path = isDomain ? (rest ?? '') : image
  return domain === 'docker.io' && !path.includes('/') ? `docker.io/library/${path}` : `${domain}/${path}`
}

export const heartbeat: HeartbeatMessage = { v: 1, type: 'heartbeat' }

/**
 * Takes the text of a frame or a body; returns the message, or undefined when it is none that we know.
 * Unknown fields are ignored, so a newer server can talk to an older client.
 */
export function parseMessage(text: unknown): ServerMessage | undefined {
  const data = parseJson(text)
  if (!isObject(data)) return undefined
  if (data.v !== 1) return isCount(data.v) ? { type: 'unknown' } : undefined
  if (data.type === 'heartbeat') return heartbeat
  if (data.type === 'state') return parseState(data)
  return undefined
}

function parseState(data: Record<string, unknown>): HeardState | undefined {
  const { name, image, sha256, epoch, serial, revision, phase, why } = data
  const live = parseLive(data.live)
  const known = parseKnown(data.known)
  if (!isString(name) || !isString(sha256) || !isString(epoch)) return undefined
  if (!isCount(serial) || !isCount(revision) || (phase !== 'rolling' && phase !== 'ready')) return undefined
  if (!live || !known) return undefined
  return {
    v: 1,
    type: 'state',
    name,
    ...(isString(image) && { image }),
    sha256,
    epoch,
    serial,
    revision,
    phase,
    live,
    known,
    why: why === 'rollback' || why === 'restart' ? why : 'rollout',
    spread_ms: isCount(data.spread_ms) ? data.spread_ms : 0,
    heartbeat_ms: isCount(data.heartbeat_ms) ? data.heartbeat_ms : 25_000,
  }
}

/** What ends an event stream, as a WebSocket's close frame would say it: the data of its `close` event. */
export function formatClose(code: number, reason: string): string {
  return JSON.stringify({ code, reason })
}

/** Takes such data. What is none comes out as the code of a line that was lost, 1006. */
export function parseClose(text: unknown): { code: number; reason: string } {
  const data = parseJson(text)
  const isClose = isObject(data) && isCount(data.code)
  return {
    code: isClose ? Number(data.code) : 1006,
    reason: isClose && isString(data.reason) ? data.reason : '',
  }
}

function parseJson(text: unknown): unknown {
  try {
    return isString(text) ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}
