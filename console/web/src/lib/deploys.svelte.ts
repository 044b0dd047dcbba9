// The deployments of one app, newest first: asked for again whenever something else is true of the app.

import type { ConsoleApp, ConsoleDeploy } from '../../../../protocol/console.ts'
import { apiUrl } from './address.ts'

export class Deploys {
  list = $state.raw<ConsoleDeploy[] | undefined>()
  problem = $state('')
  #asked = ''
  #abort: AbortController | undefined

  /** Asks unless it was asked of this state of the app before. */
  follow({ id, revision, status, since }: ConsoleApp): void {
    const of = [id, revision, status, since].join()
    if (of === this.#asked) return
    this.#asked = of
    this.#abort?.abort()
    this.#abort = new AbortController()
    void this.#ask(id, this.#abort.signal)
  }

  close = (): void => this.#abort?.abort()

  async #ask(id: string, signal: AbortSignal): Promise<void> {
    try {
      const answer = await fetch(apiUrl(`deploys?app=${encodeURIComponent(id)}`), { signal })
      if (!answer.ok) throw new Error(`the console answered ${answer.status}`)
      const all = (await answer.json()) as ConsoleDeploy[]
      this.list = all.filter(({ app }) => app === id)
      this.problem = ''
    } catch (error) {
      if (signal.aborted) return
      this.#asked = '' // at the next change it is asked again
      this.problem = error instanceof Error ? error.message : String(error)
    }
  }
}
