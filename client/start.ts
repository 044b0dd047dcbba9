// Puts it together: who the page is, what is known, what that means, and who is told. One page, from its start to its end.

import type { EventName, Options, SpaReloader, SpaState, Status } from './api.ts'
import { verifyDelay } from './backoff.ts'
import { connect } from './connection.ts'
import type { Connection } from './connection.ts'
import type { Env } from './env.ts'
import { get } from './get.ts'
import { navigation, readPage, readStoredPage } from './identity.ts'
import { judge, latestId } from './judge.ts'
import { createLeaving, triedKey } from './leave.ts'
import { createOffer, hear, identify, isVerified, serve, stick, todo, wantsReload } from './offer.ts'
import type { Offer } from './offer.ts'
import { createTimer } from './timer.ts'
import { brakedMs, count, createMemory, isSpent, spend, tokenFor } from './token.ts'
import type { Token } from './token.ts'
import { createVerification } from './verify.ts'
import { isControlled, isRenewal, serviceWorkers } from './worker.ts'
import { parseMessage } from '../protocol/message.ts'
import { path } from '../protocol/names.ts'

/** How long guards may think of an automatic reload before that counts as a no. */
const guardLimitMs = 10_000

/** How often guards that said no are asked again, while the page would reload by itself. */
const askAgainMs = 20_000

/**
 * How old a page is at least that reloads by itself for what a reload has just not brought: what balances requests knows better by then. Twice as long as
 * a look counts as fresh, so that no look of before that is relied on.
 */
const againMs = 20_000

export function start(env: Env, { base = '__spa', version, auto }: Options): SpaReloader {
  const events = new EventTarget()
  const listening = new AbortController()
  const root = new URL(base.replace(/\/*$/, '/'), env.document.baseURI) // once: a router moves the document's address
  const memory = createMemory(env.sessionStorage, env.isFrame)
  const { guard, isAllowed, reload, hasBrought } = createLeaving(
    env,
    memory,
    () => state,
    () => (offer.isOffered ? offer.candidate : ''),
    unguarded,
  )
  const verification = createVerification({
    env,
    take(served) {
      const next = serve(offer, served)
      become(next)
      return next.isOffered
    },
    onStuck: () => become(stick(offer)),
  })
  const asking = createTimer(env)
  const startedAt = env.now()
  const tried = memory.read(triedKey) ?? ''
  let offer = createOffer(readPage(env, version), isControlled(env) ? tried : '')
  /** The browser brought the document back, of whatever age: what was reloaded for before was for another one. A reload ends that. */
  let isBroughtBack = navigation(env)?.type === 'back_forward'
  /** The release in whose place a reload brought this page, as a key. A service worker would bring it again. */
  let vain = isControlled(env) || isBroughtBack ? '' : tried
  let isAsking = false
  let unconfirmed = 0
  let isStopped = false
  let connection: Connection | undefined
  let state = describe()

  const identified = askStore()
  void identified.then(open)
  listen(env.document, 'prerenderingchange', () => identified.then(open))
  listen(env.window, 'load', loaded)
  listen(env.window, 'online', () => wake(true))
  listen(env.window, 'pageshow', event => {
    if (!(event as PageTransitionEvent).persisted) return
    isBroughtBack = true
    wake()
  })
  listen(env.document, 'visibilitychange', () =>
    env.document.visibilityState === 'visible' ? wake() : connection?.hide(),
  )
  listen(env.document, 'resume', () => wake()) // after it was frozen (https://wicg.github.io/page-lifecycle/)
  listen(env.window, 'pagehide', () => connection?.pause())
  listen(serviceWorkers(env), 'controllerchange', renewed)
  listen(serviceWorkers(env), 'message', event => isRenewal(event) && renewed())

  const methods = { subscribe, check, reload, guard, stop }
  return Object.defineProperty(Object.assign(events, methods), 'state', { get: () => state }) as SpaReloader

  /** Some browsers complete the entry only then, and have not stored before what they are still reading. */
  function loaded(): void {
    become(identify(offer, readPage(env, version)))
    void askStore()
  }

  async function askStore(): Promise<void> {
    if (offer.page) return
    // The store may have the last visit's until this one has come whole.
    if (env.document.readyState === 'loading')
      await new Promise(resolve => env.document.addEventListener('readystatechange', resolve, { once: true }))
    const page = await readStoredPage(env)
    become(identify(offer, page)) // of now: what was heard meanwhile counts
  }

  /** A page that is prerendered is nobody's yet: it is not counted and hears nothing until it is shown. */
  function open(): void {
    if (isStopped || connection || env.document.prerendering) return
    connection = connect({
      env,
      address,
      onState: message => become(hear(offer, message, true)),
      onStatus: publish,
    })
    publish()
  }

  function become(next: Offer): void {
    if (isStopped) return
    const { known } = next
    const due = todo(offer, next)
    offer = next
    if (due.verification !== 'keep') {
      verification.stop()
      asking.stop()
      unconfirmed = 0
    }
    if (due.verification === 'start' && known) verification.start(known.spread_ms)
    publish()
    if (due.event) emit(due.event)
    if (due.event === 'update') void reloadByItself()
    const { current } = state
    if (known && current && hasBrought(current, latestId(known))) emit('updated')
  }

  function wake(isElsewhere = false): void {
    connection?.wake(isElsewhere)
    verification.hasten()
    void reloadByItself()
  }

  /** Its service worker answers a reload otherwise from now on. */
  function renewed(): void {
    memory.write(triedKey, '')
    vain = ''
    become({ ...offer, tried: '' })
    verification.hasten()
  }

  /** Asks past the socket: that may end at a pod that is going away, and such a pod is told nothing any more. */
  async function check(): Promise<boolean> {
    await identified
    const init: RequestInit = { cache: 'no-store' }
    const message = parseMessage(await get(env, address(path.version), init, answer => answer.text()))
    if (message?.type === 'state') become(hear(offer, message, !isConnected()))
    if (offer.candidate && !offer.isOffered && !isStopped) await verification.now()
    return offer.isOffered
  }

  /**
   * Once per release and tab, once more where that was in vain, and once for each older document that was brought back. Never over a person's
   * work, and never for what this browser would not be served any more.
   */
  async function reloadByItself(): Promise<void> {
    if (isAsking || !isFit()) return
    asking.stop()
    const now = env.now()
    const restMs = vain === offer.candidate ? againMs - Math.abs(now - startedAt) : 0
    const waitMs = Math.max(brakedMs(memory, now), restMs)
    if (waitMs > 0) return askAgain(waitMs)
    const release = offer.candidate
    isAsking = true
    const isWanted = await isAllowed(guardLimitMs)
    const isFresh = verification.isFresh()
    const isThere = isWanted && (isFresh || (await verification.confirm(served => isVerified(offer, served))))
    isAsking = false
    // Everything may have changed while the guards were thinking, and while it looked somebody may have begun to type.
    if (release !== offer.candidate || (isThere && !isFresh)) return reloadByItself()
    if (!isFit() || !offer.known) return
    if (!isWanted) return askAgain(askAgainMs)
    if (!isThere) return askAgain(verifyDelay(++unconfirmed, env.random))
    if (!(isBroughtBack && isSpent(memory, token())) && !spend(memory, token())) return
    vain = '' // whether or not the page goes
    isBroughtBack = false
    count(memory, env.now())
    await reload({ force: true }).catch(() => {}) // a frame may be forbidden to: the offer stands
  }

  /** Not at once: a framework that renders anew removes a guard only to add the next. */
  function unguarded(): void {
    if (isFit()) askAgain(0)
  }

  function askAgain(ms: number): void {
    asking.arm(ms, () => void reloadByItself())
  }

  function isFit(): boolean {
    const isPrerendering = !!env.document.prerendering
    if (isStopped || !offer.known || (!isBroughtBack && isSpent(memory, token()))) return false
    return wantsReload(offer, { auto: !!auto, isOnline: env.navigator.onLine, isPrerendering })
  }

  function token(): Token {
    return tokenFor(memory, offer.known!, vain === offer.candidate)
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
    const { page, known, current } = offer
    const verdict = judge(current, known)
    return {
      status: verdict === 'candidate' ? candidateStatus() : verdict,
      page,
      current,
      target: known?.sha256
        ? { id: known.sha256, revision: known.revision, ...(known.image && { name: known.image }) }
        : null,
      rollback: known?.why === 'rollback',
      connection: isStopped ? 'off' : (connection?.status ?? 'connecting'),
    }
  }

  function candidateStatus(): Status {
    if (offer.isOffered) return 'update'
    return offer.isStuck ? 'stuck' : 'rolling'
  }

  function isConnected(): boolean {
    return connection?.status === 'open' || connection?.status === 'events'
  }

  function emit(type: EventName): void {
    if (isStopped && type !== 'state') return // stopped by who heard of the state just before
    events.dispatchEvent(new CustomEvent(type, { detail: state }))
  }

  function address(file: string): string {
    const url = new URL(file, root)
    const { page } = offer
    if (page) url.search = `v=${page.name}-${page.hash}`
    return url.href
  }

  function listen(target: EventTarget | undefined, type: string, run: (event: Event) => unknown): void {
    target?.addEventListener(type, run, { signal: listening.signal })
  }
}
