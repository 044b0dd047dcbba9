// What the pages look at: the fleet as it is, once for the whole tab. What comes is shown at most ten times a second.

import type { ConsoleApp, ConsoleEvent, ConsoleInstance } from '../../../../protocol/console.ts'
import { apiUrl } from './address.ts'
import { announcement, summary } from './announce.ts'
import { crowd, crowdedFrom } from './crowd.ts'
import type { Change } from './fleet.ts'
import { createFleet } from './fleet.ts'
import { openStream } from './stream.ts'
import type { Stream, StreamState } from './stream.ts'

const showMs = 100
const sayMs = 2_000

class Live {
  /** All apps; empty until `isKnown`. */
  apps = $state.raw<ConsoleApp[]>([])
  isKnown = $state(false)
  connection = $state.raw<StreamState>({ kind: 'connecting' })
  /** When something was heard last, by this machine's clock; 0: nothing yet. */
  heardAt = $state(0)
  /** This machine's time, each second. */
  now = $state(Date.now())
  /** What a screen reader is to be told. */
  said = $state('')
  /** How many pages are live in this browser, where they are so many that the next one may not load; else 0. */
  crowd = $state(0)
  /** Another version of the console is served than the one this page came with. */
  isOutdated = $state(false)

  #fleet = createFleet()
  #stream: Stream | undefined
  #aheadMs = $state(0) // of the server's clock before this one
  #round = $state(0)
  #version = ''
  #timer: ReturnType<typeof setTimeout> | undefined
  #heardAt = 0
  #changes: Change[] = []
  #saidAt = 0
  #sayTimer: ReturnType<typeof setTimeout> | undefined

  /** Starts it; returns what ends it. */
  start = (): (() => void) => {
    const ticking = setInterval(() => {
      this.now = Date.now()
      this.crowd = crowd.count() >= crowdedFrom ? crowd.count() : 0
    }, 1_000)
    this.#stream = openStream(apiUrl('events'), {
      onEvent: event => this.#receive(event as ConsoleEvent),
      onState: state => (this.connection = state),
    })
    return () => {
      clearInterval(ticking)
      clearTimeout(this.#timer)
      clearTimeout(this.#sayTimer)
      this.#stream?.close()
    }
  }

  retry = (): void => this.#stream?.retry()

  app(id: string): ConsoleApp | undefined {
    void this.#round
    return this.#fleet.app(id)
  }

  instances(app: string): ConsoleInstance[] {
    void this.#round
    return this.#fleet.instances(app)
  }

  /** Milliseconds since a time of the server, RFC 3339. */
  since(time: string): number {
    return this.now + this.#aheadMs - Date.parse(time)
  }

  #receive(event: ConsoleEvent): void {
    this.#heardAt = Date.now()
    if (event.type === 'reset' || event.type === 'heartbeat') this.#setClock(event.payload.now)
    if (event.type === 'reset') {
      this.isOutdated ||= this.#version !== '' && this.#version !== event.payload.version
      this.#version ||= event.payload.version
    }
    this.#changes.push(...this.#fleet.receive(event))
    this.#timer ??= setTimeout(this.#show, showMs)
  }

  /** Only what is more than the way takes counts. */
  #setClock(now: string): void {
    const ahead = Date.parse(now) - Date.now()
    if (Math.abs(ahead - this.#aheadMs) > 2_000) this.#aheadMs = ahead
  }

  #show = (): void => {
    this.#timer = undefined
    this.heardAt = this.#heardAt
    this.now = Date.now()
    this.isKnown = this.#fleet.isKnown()
    this.apps = this.#fleet.apps()
    this.#round += 1
    if (this.#changes.length > 0)
      this.#sayTimer ??= setTimeout(this.#say, Math.max(0, this.#saidAt + sayMs - Date.now()))
  }

  #say = (): void => {
    this.#sayTimer = undefined
    this.#saidAt = Date.now()
    const sentences = this.#changes.map(announcement).filter(sentence => sentence !== undefined)
    this.#changes = []
    if (sentences.length > 0) this.said = summary(sentences)
  }
}

export const live = new Live()
