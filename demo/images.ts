// A registry and what its images run. A tag can be pushed again: then it means other bytes, with another digest, and pods that are
// started from then on run those.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { startApp } from './app/app.ts'
import { startProgram } from './programs.ts'
import type { LogLine, Process } from './programs.ts'
import { sidecarImage } from './webhook.ts'

export interface Image {
  /** As a container's status tells it. */
  id: string
  start(context: { env: Record<string, string>; pod: string; onLine(line: LogLine): void }): Process
  /** Runs a command in its container; resolves when that has ended. */
  exec(command: string[], env: Record<string, string>): Promise<unknown>
}

export const missingTag = 'missing'

export interface Images {
  /** Undefined: the registry does not have it. */
  pull(image: string): Image | undefined
  /** Builds the image again and pushes it under the same tag. */
  push(image: string): void
  /** What the tag means now: 64 hex digits. */
  digest(image: string): string
}

/** `dist` is the folder of our bundles, `page` the app's page. */
export function createImages({ dist, page }: { dist: string; page: string }): Images {
  const builds = new Map<string, number>()
  const build = (image: string) => builds.get(image) ?? 1
  return { pull, push, digest }

  function push(image: string): void {
    builds.set(image, build(image) + 1)
  }

  function digest(image: string): string {
    return createHash('sha256')
      .update(`${image} ${build(image)}`)
      .digest('hex')
  }

  function pull(image: string): Image | undefined {
    if (image.endsWith(`:${missingTag}`)) return undefined
    const id = `${image.replace(/:[^:]*$/, '')}@sha256:${digest(image)}`
    return image === sidecarImage ? sidecar(id) : app(image, id, build(image))
  }

  function sidecar(id: string): Image {
    return {
      id,
      start: ({ env, onLine }) => startProgram({ file: join(dist, 'sidecar.js'), env, onLine }),
      // `node /spa-reloader/drain.js`: the path is that of the image.
      exec: ([, file = ''], env) => startProgram({ file: join(dist, file.replace(/.*\//, '')), env }).ended,
    }
  }

  function app(image: string, id: string, build: number): Image {
    const version = image.replace(/.*:/, '')
    return {
      id,
      start: ({ env, pod }) => startApp({ port: Number(env.PORT), page, version, build, pod }),
      exec: () => Promise.reject(new Error('the app has no commands')),
    }
  }
}
