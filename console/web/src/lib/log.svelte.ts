// The log of one deployment, as it is told. After a reconnect it is told from its beginning; that is collected aside and takes the place of
// what was there, so nothing comes twice and nothing flickers.

import type { ConsoleDeploy, DeployLogEvent, DeployStatus } from '../../../../protocol/console.ts'
import { apiUrl } from './address.ts'
import { createLogRing } from './log-ring.ts'
import type { Row } from './log-ring.ts'
import { openStream } from './stream.ts'
import type { StreamState } from './stream.ts'

const showMs = 100

export class DeployLog {
  deploy = $state.raw<ConsoleDeploy | undefined>()
  rows = $state.raw<readonly Row[]>([])
  skipped = $state(0)
  connection = $state.raw<StreamState>({ kind: 'connecting' })
  heardAt = $state(0)

  #ring = createLogRing()
  #last: string | undefined
  #coming:
    { ring: ReturnType<typeof createLogRing>; swap: ReturnType<typeof setTimeout> | undefined } | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #stream

  /** Takes the deployment's id. */
  constructor(id: string) {
    this.#stream = openStream(apiUrl(`deploys/${encodeURIComponent(id)}/logs`), {
      onEvent: event => this.#receive(event as DeployLogEvent),
      onState: state => {
        this.connection = state
        if (state.kind === 'refused' && state.status === 404) this.#setStatus('superseded') // the Deployment is gone
      },
    })
  }

  retry = (): void => this.#stream.retry()

  close = (): void => {
    clearTimeout(this.#timer)
    clearTimeout(this.#coming?.swap)
    this.#stream.close()
  }

  #receive(event: DeployLogEvent): void {
    switch (event.type) {
      case 'reset':
        this.deploy = event.payload.deploy
        clearTimeout(this.#coming?.swap)
        this.#coming = { ring: createLogRing(), swap: undefined }
        break
      case 'deploy_log':
        this.#add(event.payload)
        break
      case 'deploy_status':
        this.deploy = event.payload
        break
      case 'end':
        this.#setStatus(event.payload.status)
        this.#swap()
        break
      case 'heartbeat':
      case 'bye':
        break
    }
    this.#timer ??= setTimeout(this.#show, showMs)
  }

  #setStatus(status: DeployStatus): void {
    if (this.deploy) this.deploy = { ...this.deploy, status }
  }

  /** The history is whole once it holds the last line that was known, or when no more of it comes. */
  #add(lines: Extract<DeployLogEvent, { type: 'deploy_log' }>['payload']): void {
    const coming = this.#coming
    ;(coming?.ring ?? this.#ring).add(lines)
    if (!coming) return
    clearTimeout(coming.swap)
    if (this.#last === undefined || coming.ring.has(this.#last)) this.#swap()
    else coming.swap = setTimeout(this.#swap, 1_000)
  }

  #swap = (): void => {
    if (!this.#coming) return
    clearTimeout(this.#coming.swap)
    this.#ring = this.#coming.ring
    this.#coming = undefined
    this.#timer ??= setTimeout(this.#show, showMs)
  }

  #show = (): void => {
    this.#timer = undefined
    this.heardAt = Date.now()
    this.rows = this.#ring.rows()
    this.skipped = this.#ring.skipped()
    this.#last = this.rows.at(-1)?.line.id
  }
}
