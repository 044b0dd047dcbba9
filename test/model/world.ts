// One world: a cluster that goes through its history, the controller, and one tab. What can happen in it next, and what must not.
// One tab is enough: tabs share nothing (a token is per tab; a duplicated tab is one whose page was loaded again), so what holds for
// one that comes and goes as it likes holds for each of many.

import { triedKey } from '../../client/leave.ts'
import type { Offer } from '../../client/offer.ts'
import { createMemory } from '../../client/token.ts'
import type { HeardState } from '../../protocol/message.ts'
import { isSameDeployment } from '../../protocol/release.ts'
import { bytesOf } from './cluster.ts'
import type { PodFacts, Snapshot } from './cluster.ts'
import { createNetwork } from './network.ts'
import type { Answer, Controller, Late, Told } from './network.ts'
import { createPromises } from './promises.ts'
import type { Failure } from './promises.ts'
import type { Rules } from './rules.ts'
import { numberOf, same } from './same.ts'

export interface State {
  /** The snapshot that shows the cluster as it is. */
  at: number
  /** The snapshot that the controller's late cache shows. */
  seen: number
  controller: Controller
  tab: Tab | null
}

export interface Tab {
  /** The document that is open, as the browser has it. */
  document: Answer
  offer: Offer
  /** `isDue`: its pod has something to tell, or will have. */
  socket: { pod: string; isDue: boolean } | null
  /** sessionStorage. */
  stored: Record<string, string>
  /** How often the tab has reloaded by itself, by release. */
  reloads: Record<string, number>
  /** The newest snapshot of which this page has heard. */
  heard: number
  /** A state that was news to it knew what it is. */
  wasKnown: boolean
  /** Whether the page says which version it is, or the first state that came after the page and knew its ReplicaSet; null before. */
  wasPlaced: boolean | null
}

export interface Move {
  says: () => string
  next: State
  /** It happens sooner or later, unless something else does first. The others may never happen. */
  isFair: boolean
  failure?: Failure | undefined
}

export interface Setting {
  snapshots: readonly Snapshot[]
  /** A cache between the browser and the cluster may answer with any document that it was ever given. */
  cdn?: boolean
  /** The controller looks when it likes, or is down; otherwise it looks whenever something has moved. */
  outages?: boolean
  /** Whether pages may be answered with a 304 of their own version. */
  page?: 'plain' | 'etag'
  /** The kind of object of which the controller's cache lags behind the others. */
  late?: Late
}

export type Game = ReturnType<typeof createGame>

export function createGame(
  { snapshots, cdn = false, outages = false, page = 'plain', late }: Setting,
  rules: Rules,
) {
  const network = createNetwork(rules, snapshots, page)
  const promises = createPromises(snapshots, cdn)
  const last = snapshots.length - 1
  const looks = new Map<string, Controller>()
  const requests = new Map<string, Served[]>()
  const offers = new Map<string, Offer>()
  const start: State = {
    at: 0,
    seen: 0,
    controller: look({ records: {}, told: {} }, 0, 0),
    tab: null,
  }
  return { start, moves, keyOf, isSettled, failureOf }

  function keyOf({ at, seen, controller, tab }: State): string {
    const world = `${at} ${seen} ${numberOf(controller)}`
    if (!tab) return world
    const { document, offer, socket, stored, reloads, heard, wasKnown, wasPlaced } = tab
    const offered = `${numberOf(offer)} ${wasKnown} ${wasPlaced}`
    const connected = socket ? `${socket.pod} ${socket.isDue ? 1 : 0}` : ''
    return `${world} ${numberOf(document)} ${offered} ${connected} ${numberOf(stored)} ${numberOf(reloads)} ${heard}`
  }

  /** Nothing is under way any more, and nothing goes wrong from now on. */
  function isSettled(state: State): boolean {
    if (state.at < last || state.seen < (late ? last : 0) || !state.tab) return false
    const key = keyOf(state)
    for (const { isFair, next } of moves(state)) if (isFair && keyOf(next) !== key) return false
    return true
  }

  function failureOf(state: State): Failure | undefined {
    return isSettled(state) ? promises.ofSettled(state) : undefined
  }

  function* moves(state: State): Generator<Move> {
    yield* clusterMoves(state)
    if (state.tab) yield* tabMoves(state, state.tab)
    else for (const document of documents(state, null)) yield opened(state, document)
  }

  function* clusterMoves(state: State): Generator<Move> {
    const { at, seen, controller, tab } = state
    const next = snapshots[at + 1]
    const isBehind = late !== undefined && seen < at
    // No copy is older than the change that is under way.
    if (next && !(isBehind && next.begun > at)) {
      const looked = outages ? controller : look(controller, at + 1, seen)
      const isCut = tab?.socket && !next.pods.some(({ name }) => name === tab.socket?.pod)
      yield {
        says: () => (looked === controller ? next.says : `${next.says}; ${sayNews(controller, looked)}`),
        next: told({ ...state, at: at + 1, tab: isCut ? { ...tab, socket: null } : tab }, looked),
        isFair: true,
      }
    }
    if (late && seen < at)
      yield {
        says: () => `the controller's copy of the ${late} catches up`,
        next: { ...state, seen: at },
        isFair: true,
      }
    const looked = look(controller, at, seen)
    if (looked !== controller)
      yield {
        says: () => sayNews(controller, looked),
        next: told(state, looked),
        isFair: true,
      }
  }

  /** Until there is nothing more to say: what one Deployment's pods run, another one's state tells. */
  function look(controller: Controller, at: number, seen: number): Controller {
    const key = `${numberOf(controller)} ${at} ${late ? seen : at}`
    let looked = looks.get(key)
    if (looked) return looked
    looked = network.reconcile(controller, at, late, seen)
    if (looked !== controller) looked = look(looked, at, seen)
    looks.set(key, looked)
    return looked
  }

  /** The controller has recorded news: the tab's pod will have something to tell. */
  function told(state: State, controller: Controller): State {
    const { tab } = state
    if (controller === state.controller || !tab?.socket) return { ...state, controller }
    return {
      ...state,
      controller,
      tab: { ...tab, socket: { ...tab.socket, isDue: true } },
    }
  }

  function* tabMoves(state: State, tab: Tab): Generator<Move> {
    const { socket, offer, stored } = tab
    const { told } = state.controller
    const { serving, pods } = snapshots[state.at]!
    for (const document of documents(state, tab.document))
      yield {
        says: () => `the person reloads the tab, and ${sayDocument(document)}`,
        next: { ...state, tab: load(document, tab) },
        isFair: false,
      }

    const pod = pods.find(({ name }) => name === socket?.pod)
    if (socket && pod) {
      yield {
        says: () => `the tab's socket on ${pod.name} is cut`,
        next: { ...state, tab: { ...tab, socket: null } },
        isFair: !serving.includes(pod), // a pod that terminates drains, and no socket lives longer than its maximum age
      }
      // The kubelet refreshes nothing in a pod that terminates.
      const settled = network.holdings(pod, told[pod.deployment], true)
      if (socket.isDue && pod.phase !== 'terminating')
        for (const held of network.holdings(pod, told[pod.deployment]))
          if (held)
            yield {
              says: () => `${pod.name} is brought ${sayState(held)}, and tells the tab`,
              next: {
                ...state,
                tab: hear(
                  {
                    ...tab,
                    socket: { pod: pod.name, isDue: !settled.includes(held) },
                  },
                  held,
                  pod,
                  true,
                ),
              },
              isFair: settled.includes(held),
            }
    }
    const asked = new Set<HeardState>()
    for (const pod of serving) {
      const settled = network.holdings(pod, told[pod.deployment], true)
      for (const held of network.holdings(pod, told[pod.deployment])) {
        if (!socket) {
          const connected = {
            ...tab,
            socket: { pod: pod.name, isDue: !settled.includes(held) },
          }
          const isGreeted = held && rules.greet(held.state)
          yield {
            says: () =>
              `the tab connects to ${pod.name}, which ${isGreeted ? `tells it ${sayState(held)}` : 'tells it nothing'}`,
            next: {
              ...state,
              tab: isGreeted ? hear(connected, held, pod, true) : connected,
            },
            isFair: settled.includes(held),
          }
        }
        const message = held && network.message(held, pod)
        if (held && message && !asked.has(message))
          yield {
            says: () => `the tab asks for the version, and ${pod.name} tells it ${sayState(held)}`,
            next: { ...state, tab: hear(tab, held, pod, !socket) },
            isFair: false,
          }
        if (message) asked.add(message)
      }
    }

    if (offer.candidate && !offer.isOffered)
      for (const document of documents(state, tab.document)) {
        const served = offerOn(offer, document.answer)
        if (!served.isOffered) continue
        const next = { ...state, tab: { ...tab, offer: served } }
        yield {
          says: () =>
            `the tab looks, and ${sayDocument(document)}: it offers version ${bytesOf(offer.known?.sha256 ?? '')}`,
          next,
          isFair: document.isFair,
          failure: promises.ofOffer(next),
        }
      }

    if (
      offer.known &&
      rules.wantsReload(offer, {
        auto: true,
        isOnline: true,
        isPrerendering: false,
      })
    ) {
      const storage = { ...stored }
      const memory = createMemory({
        getItem: key => storage[key] ?? null,
        setItem: (key, value) => void (storage[key] = value),
      })
      const isVain = memory.read(triedKey) === offer.candidate
      if (!rules.spend(memory, rules.tokenFor(memory, offer.known, isVain))) return
      memory.write(triedKey, offer.candidate)
      const { epoch, revision } = offer.known
      const release = `revision ${revision} of ${epoch}`
      const reloads = same({
        ...tab.reloads,
        [release]: Math.min((tab.reloads[release] ?? 0) + 1, 3),
      })
      const spent = { ...tab, stored: same(storage), reloads }
      for (const document of documents(state, tab.document))
        yield {
          says: () => `the tab reloads by itself, and ${sayDocument(document)}`,
          next: { ...state, tab: load(document, spent) },
          isFair: false,
          failure: promises.ofReload(state, reloads[release]),
        }
    }
  }

  function opened(state: State, document: Served): Move {
    const tab = load(document, { stored: same({}), reloads: same({}) })
    return {
      says: () => `a tab is opened: ${sayDocument(document)}`,
      next: { ...state, tab },
      isFair: true,
    }
  }

  function load({ answer }: Served, { stored, reloads }: Pick<Tab, 'stored' | 'reloads'>): Tab {
    return {
      document: answer,
      offer: offerOf(answer),
      socket: null,
      stored,
      reloads,
      heard: -1,
      wasKnown: false,
      wasPlaced: answer.page?.id ? true : null,
    }
  }

  function hear(tab: Tab, told: Told | undefined, pod: PodFacts, isPresent: boolean): Tab {
    if (!told) return tab
    const message = network.message(told, pod)
    const offer = offerAfter(tab.offer, message, isPresent)
    // What another Deployment's pods tell says nothing of when this one's rollouts begin.
    const isOfKnown = offer.known !== null && isSameDeployment(offer.known, message)
    return {
      ...tab,
      offer,
      heard: isOfKnown ? Math.max(tab.heard, told.at) : tab.heard,
      wasKnown: tab.wasKnown || (told.at >= tab.heard && knows(told, tab.document)),
      wasPlaced: tab.wasPlaced ?? places(told, tab.document),
    }
  }

  // Each is asked of the client once, as in most worlds a tab loads, is served and hears what it has in others.

  function offerOf(answer: Answer): Offer {
    return remember(`${numberOf(answer)}`, () => rules.createOffer(answer.page))
  }

  function offerOn(offer: Offer, answer: Answer): Offer {
    return remember(`${numberOf(offer)} ${numberOf(answer)}`, () => rules.serve(offer, answer.page))
  }

  function offerAfter(offer: Offer, message: HeardState, isPresent: boolean): Offer {
    const key = `${numberOf(offer)} ${numberOf(message)} ${isPresent}`
    return remember(key, () => rules.hear(offer, message, isPresent))
  }

  function remember(key: string, ask: () => Offer): Offer {
    const made = offers.get(key) ?? same(ask())
    offers.set(key, made)
    return made
  }

  /** What a request for the document may be answered with now. */
  function documents({ at, controller }: State, stored: Answer | null): Served[] {
    const key = `${at} ${numberOf(controller)} ${numberOf(stored)}`
    const known = requests.get(key) ?? request(at, controller, stored)
    requests.set(key, known)
    return known
  }

  function request(at: number, controller: Controller, stored: Answer | null): Served[] {
    const found = new Map<Answer, Served>()
    const add = (pod: PodFacts, held: Told | undefined, isFair: boolean, from: string) => {
      const answer = network.answer(pod, held, stored ?? undefined)
      if (!found.get(answer)?.isFair) found.set(answer, { answer, isFair, from })
    }
    for (const pod of snapshots[at]!.serving) {
      const told = controller.told[pod.deployment]
      for (const held of network.holdings(pod, told, true)) add(pod, held, true, pod.name)
      for (const held of network.holdings(pod, told)) add(pod, held, false, pod.name)
    }
    if (cdn)
      for (const pod of promises.served(at))
        for (const held of network.holdings(pod, promises.toldWhile(pod, controller.told[pod.deployment])))
          add(pod, held, false, 'a cache')
    return [...found.values()]
  }
}

interface Served {
  answer: Answer
  isFair: boolean
  from: string
}

function sayDocument({ answer: { bytes, page }, from }: Served): string {
  return `${from} serves version ${bytes}${page ? ` as ${page.name}-${page.hash}` : ', which says nothing of itself'}`
}

function knows({ state }: Told, { bytes, page }: Answer): boolean {
  return state.known.some(([hash, id]) => hash === page?.hash && bytesOf(id) === bytes)
}

function places(told: Told, document: Answer): boolean | null {
  const { hash, name, state } = document.page ?? {}
  const { epoch, serial, known } = told.state
  const isLater = told.state.name === name && state?.epoch === epoch && state.serial < serial
  return isLater && known.some(([key, id]) => key === hash && id !== '') ? knows(told, document) : null
}

function sayState(told: Told | undefined): string {
  if (!told) return 'nothing'
  const { revision, phase, target } = told.state
  return `“revision ${revision}, version ${bytesOf(target.id) || '?'}: ${phase}”`
}

function sayNews(before: Controller, after: Controller): string {
  const news = Object.entries(after.told).filter(([name, told]) => told !== before.told[name])
  return news.length === 0
    ? 'the controller notes what only it needs'
    : `the controller records ${news.map(([name, told]) => `${sayState(told.at(-1))} of ${name}`).join(', ')}`
}
