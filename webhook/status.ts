// The status annotation: what was done to this pod at admission. People read it, and so do we when we are asked about the same pod again.

import { isObject, isString } from '../protocol/release.ts'
import type { App } from '../release/app.ts'
import { captures } from './capture.ts'
import type { Capture } from './capture.ts'

export interface Status {
  /** The Deployment. */
  name: string
  /** The app's container. */
  container: string
  /** The app's port, and under which name Services find it. */
  port: number
  portName: string
  capture: Capture
  front: number
  /** With capture `env`: the port that the app was told instead. */
  moved?: number | undefined
  admin: number
  /** The sidecar's image. */
  image: string
  /** Changes whenever the container that we would inject does. */
  spec: string
  /** What we turned from the port's name into its number: place in the app's container → the name. */
  original: Record<string, string>
}

/** The app, as it was before injection. */
export function appOf({ container, port, portName }: Status): App {
  return { container, port, portName }
}

/** Takes the annotation's text; returns undefined when there is none or it is not one. */
export function parseStatus(text: string | undefined): Status | undefined {
  const data = parseJson(text)
  if (!isObject(data)) return undefined
  const { name, container, port, portName, front, moved, admin, image, spec, original } = data
  const capture = captures.find(capture => capture === data.capture)
  if (!isString(name) || !isString(container) || !isString(portName) || !capture) return undefined
  if (!isPort(port) || !isPort(front) || !isPort(admin) || !isString(image) || !isString(spec))
    return undefined
  if ((moved !== undefined && !isPort(moved)) || (capture === 'env') !== (moved !== undefined))
    return undefined
  if (!isObject(original) || !Object.values(original).every(isString)) return undefined
  return {
    name,
    container,
    port,
    portName,
    capture,
    front,
    moved,
    admin,
    image,
    spec,
    original: original as Record<string, string>,
  }
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

function isPort(data: unknown): data is number {
  return Number.isInteger(data) && (data as number) > 0 && (data as number) < 65_536
}
