// A GET that ends: a failure, a silence and an abort all come out as undefined.

import type { Env } from './env.ts'

/**
 * Takes how to read the answer, which counts against the limit, and a controller to abort with.
 * Returns what was read, or undefined when there was no answer.
 */
export async function get<T>(
  env: Env,
  url: string,
  init: RequestInit,
  read: (answer: Response) => T | Promise<T>,
  controller = new AbortController(),
  limitMs = 10_000,
): Promise<T | undefined> {
  const { fetch } = env // the browser's own refuses to be called as a method of anything else
  const timer = env.setTimeout(() => controller.abort(), limitMs)
  try {
    const answer = await fetch?.(url, { ...init, signal: controller.signal })
    return answer && (await read(answer))
  } catch {
    return undefined
  } finally {
    env.clearTimeout(timer)
  }
}
