// A list that is not told but asked for: again whenever something else is true of what it is about, at most every two seconds, and once more after that,
// since what is on it (a Kubernetes Event) may come a moment later.

import { apiUrl } from './address.ts'

const restMs = 2_000

export class Asked<T> {
  list = $state.raw<T[] | undefined>()
  problem = $state('')
  #path = ''
  #state = ''
  /** The path whose answer is on its way; '' otherwise. */
  #reading = ''
  #askedAt = -Infinity
  #timer: ReturnType<typeof setTimeout> | undefined
  #abort: AbortController | undefined

  /** Takes what to ask for, below the API, and what of its subject decides: asks unless it was asked at this before. */
  follow(path: string, ...state: unknown[]): void {
    const now = state.join()
    if (path === this.#path && now === this.#state) return
    const isOther = path !== this.#path
    this.#path = path
    this.#state = now
    if (isOther || performance.now() - this.#askedAt >= restMs) this.#ask()
    this.#askLater()
  }

  close = (): void => {
    clearTimeout(this.#timer)
    this.#abort?.abort()
  }

  #askLater(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#ask, restMs)
  }

  #ask = (): void => {
    if (this.#reading === this.#path) return this.#askLater() // ended each time and begun anew, a slow answer would never come
    this.#reading = this.#path
    this.#askedAt = performance.now()
    this.#abort?.abort()
    this.#abort = new AbortController()
    void this.#read(this.#path, this.#abort.signal)
  }

  async #read(path: string, signal: AbortSignal): Promise<void> {
    try {
      const answer = await fetch(apiUrl(path), { signal })
      if (!answer.ok) throw new Error(`the console answered ${answer.status}`)
      this.list = (await answer.json()) as T[]
      this.problem = ''
    } catch (error) {
      if (signal.aborted) return
      this.#state = '' // at the next change it is asked again
      this.problem = error instanceof Error ? error.message : String(error)
    } finally {
      if (!signal.aborted) this.#reading = ''
    }
  }
}
