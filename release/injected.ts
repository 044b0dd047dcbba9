// A pod spec as it was before injection: a template has been through it where `spa-reloader inject` wrote it.
// What is under the name of the app's port is the front's number then, while annotations go on naming the app's.

import { containerName } from '../protocol/names.ts'
import { isObject, isString } from '../protocol/release.ts'
import type { PodSpec } from './objects.ts'

/** Of the status annotation, what tells where the app was. */
export interface Moved {
  container: string
  port: number
  portName: string
  front: number
}

/** Takes the annotation's text; returns undefined where it tells nothing. */
export function parseMoved(text: string | undefined): Moved | undefined {
  const data = parseJson(text)
  if (!isObject(data)) return undefined
  const { container, port, portName, front } = data
  if (!isString(container) || !isString(portName)) return undefined
  return typeof port === 'number' && typeof front === 'number'
    ? { container, port, portName, front }
    : undefined
}

function parseJson(text = ''): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The containers as they were before we changed them, and as others have changed them since. */
export function specBefore(spec: PodSpec, before: Moved | undefined): PodSpec {
  return {
    ...spec,
    containers: spec.containers
      .filter(({ name }) => name !== containerName)
      .map(container =>
        container.name === before?.container
          ? {
              ...container,
              ports: container.ports.map(port =>
                port.name === before.portName && port.containerPort === before.front
                  ? { ...port, containerPort: before.port }
                  : port,
              ),
            }
          : container,
      ),
  }
}
