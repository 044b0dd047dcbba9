// Puts it together: who the page is, what is known, what that means, and who is told. One page, from its start to its end.

import type { EventName, Options, SpaReloader, SpaState } from './api.ts'
import { connect } from './connection.ts'
import type { Connection } from './connection.ts'
import type { Env } from './env.ts'
import { get } from './get.ts'
import { readPage, readStoredPage } from './identity.ts'
import type { Page } from './identity.ts'
import { isTarget, judge, latestId, resolveId } from './judge.ts'
import { learn } from './knowledge.ts'
import { createLeaving } from './leave.ts'
import { createTimer } from './timer.ts'
import { createMemory, spend } from './token.ts'
import { createVerification } from './verify.ts'
import { parseMessage } from '../protocol/message.ts'
import type { StateMessage } from '../protocol/message.ts'
import { path } from '../protocol/names.ts'

/** How often guards that said no are asked again, while the page would reload by itself. */
const askAgainMs = 20_000

export function start(env: Env, { base = '__spa', version, auto }: Options): SpaReloader {
  const events = new EventTarget()
  const listening = new AbortController()
  const root = new URL(base.replace(/\/*$/, '/'), env.document.baseURI) // once: a router moves the document's address
  const memory = createMemory(env.sessionStorage)
  const { guard, isAllowed, reload, hasBrought } = createLeaving(env, memory, () => state, unguarded)
  const verification = createVerification({
    env,
    isTarget: served => isTarget(served, known),
    onVerified: offer,
  })
  const asking = createTimer(env)
  let page = readPage(env, version)
  let known: StateMessage | null = null
  /** The release that the page could be updated to, as a key; '' when there is none. */
  let candidate = ''
  let isOffered = false
  let isAsking = false
  let isStopped = false
  let connection: Connection | undefined
  let state = describe()

  const identified = page ? Promise.resolve() : readStoredPage(env).then(setPage)
  void identified.then(open)
  listen(env.window, 'load', () => setPage(readPage(env, version))) // some browsers complete the entry only then
  listen(env.window, 'online', wake)
  listen(env.window, 'pageshow', event => (event as PageTransitionEvent).persisted && wake())
  listen(env.document, 'visibilitychange', () => env.document.visibilityState === 'visible' && wake())
  listen(env.window, 'pagehide', () => connection?.pause())

  const methods = { subscribe, check, reload, guard, stop }
  return Object.defineProperty(Object.assign(events, methods), 'state', { get: () => state }) as SpaReloader

  function open(): void {
    if (isStopped) return
    connection = connect({
      env,
      url: () => address(path.ws).replace('http', 'ws'),
      onState: message => hear(message, true),
      onStatus: publish,
    })
    publish()
  }

  function setPage(found: Page | null): void {
    if (page || isStopped) return
    page = found
    consider()
  }

  function hear(message: StateMessage, isPresent: boolean): void {
    if (isStopped) return
    known = learn(known, message, isPresent)
    consider()
  }

  /** Said again, the same changes nothing. */
  function consider(): void {
    const release = judge(page, known) === 'candidate' ? known : null
    const key = release ? [release.epoch, release.revision, release.sha256].join() : ''
    const isWithdrawn = isOffered && key !== candidate
    if (key !== candidate) {
      candidate = key
      isOffered = false
      verification.stop()
      asking.stop()
      if (release) verification.start(release.spread_ms)
    }
    publish()
    if (isWithdrawn) emit('withdrawn')
    const { current } = state
    if (known && current && hasBrought(current, latestId(known))) emit('updated')
  }

  function offer(): void {
    isOffered = true
    publish()
    emit('update')
    void reloadByItself()
  }

  function wake(): void {
    connection?.wake()
    verification.hasten()
    void reloadByItself()
  }

  /** Asks past the socket: that may end at a pod that is going away, and such a pod is told nothing any more. */
  async function check(): Promise<boolean> {
    await identified
    const init: RequestInit = { cache: 'no-store' }
    const message = parseMessage(await get(env, address(path.version), init, answer => answer.text()))
    if (message?.type === 'state') hear(message, connection?.status !== 'open')
    if (candidate && !isOffered && !isStopped) await verification.now()
    return isOffered
  }

  /** Once per release and tab, and never into the void, over a person's work, or before the page is shown at all. */
  async function reloadByItself(): Promise<void> {
    if (isAsking || !isFit()) return
    asking.stop()
    const release = candidate
    isAsking = true
    const allowed = await isAllowed()
    isAsking = false
    // Everything may have changed while the guards were thinking.
    if (release !== candidate) return reloadByItself()
    if (!isFit() || !known) return
    if (!allowed) return askAgain(askAgainMs)
    if (spend(memory, known)) await reload({ force: true })
  }

  /** Not at once: a framework that renders anew removes a guard only to add the next. */
  function unguarded(): void {
    if (isFit()) askAgain(0)
  }

  function askAgain(ms: number): void {
    asking.arm(ms, () => void reloadByItself())
  }

  function isFit(): boolean {
    return !!auto && isOffered && !isStopped && env.navigator.onLine && !env.document.prerendering
  }

  function subscribe(run: (state: SpaState) => void): () => void {
    const listener = (): void => run(state)
    events.addEventListener('state', listener)
    run(state)
    return () => events.removeEventListener('state', listener)
  }

  function stop(): void {
    isStopped = true
    listening.abort()
    verification.stop()
    asking.stop()
    connection?.close()
    publish()
  }

  function publish(): void {
    const next = describe()
    if (JSON.stringify(next) === JSON.stringify(state)) return
    state = next
    emit('state')
  }

  function describe(): SpaState {
    const verdict = judge(page, known)
    return {
      status: verdict === 'candidate' ? (isOffered ? 'update' : 'rolling') : verdict,
      page,
      current: resolveId(page, known),
      target: known?.sha256
        ? { id: known.sha256, revision: known.revision, ...(known.image && { name: known.image }) }
        : null,
      rollback: known?.why === 'rollback',
      connection: isStopped ? 'off' : (connection?.status ?? 'connecting'),
    }
  }

  function emit(type: EventName): void {
    if (isStopped && type !== 'state') return // stopped by who heard of the state just before
    events.dispatchEvent(new CustomEvent(type, { detail: state }))
  }

  function address(file: string): string {
    const url = new URL(file, root)
    if (page) url.search = `v=${page.name}-${page.hash}`
    return url.href
  }

  function listen(target: EventTarget, type: string, run: (event: Event) => unknown): void {
    target.addEventListener(type, run, { signal: listening.signal })
  }
}
