// The browser as an argument: everything the client touches, so that tests give their own and patch nothing.
// Some of it may be missing (no storage in a sandboxed frame, no service worker on plain http): then it is undefined.

export interface Env {
  window: EventTarget
  document: EventTarget & Pick<Document, 'visibilityState' | 'baseURI'> & PageDocument
  location: Pick<Location, 'href' | 'reload'> & { assign(url: string): void }
  navigator: { readonly onLine: boolean; readonly serviceWorker?: ServiceWorkers | undefined }
  performance: Partial<Pick<Performance, 'getEntriesByType'>> | undefined // jsdom's can only tell the time
  WebSocket: (new (url: string, protocol: string) => Socket) | undefined
  EventSource: (new (url: string) => Source) | undefined
  fetch: ((url: string, init: RequestInit) => Promise<Response>) | undefined
  sessionStorage: SessionStorage | undefined
  /** Whether another page shows it in a frame. */
  isFrame?: boolean
  setTimeout: (run: () => void, ms: number) => unknown
  clearTimeout: (timer: unknown) => void
  /** Milliseconds of a clock that goes on while the machine sleeps. */
  now: () => number
  /** From 0 up to, but not including, 1. */
  random: () => number
}

interface PageDocument {
  readonly prerendering?: boolean
  readonly readyState?: string
  querySelector(selector: string): { getAttribute(name: string): string | null } | null
}

export type SessionStorage = Pick<Storage, 'getItem' | 'setItem'>

/** What we use of a WebSocket. */
export type Socket = Pick<WebSocket, 'addEventListener' | 'send' | 'close'>

/** What we use of an EventSource. */
export type Source = Pick<EventSource, 'addEventListener' | 'close'>

/** What we use of a ServiceWorkerContainer. */
export interface ServiceWorkers extends EventTarget {
  readonly controller?: unknown
  getRegistration(): Promise<Registration | undefined>
}

interface Registration {
  readonly installing: unknown
  readonly waiting: unknown
  readonly active: ServiceWorker | null
  update(): Promise<unknown>
}

export interface ServiceWorker {
  readonly scriptURL: string
  postMessage(message: unknown): void
}

/** The browser that we are in. */
export function browser(): Env {
  return {
    window,
    document,
    location,
    navigator,
    performance,
    WebSocket: window.WebSocket,
    EventSource: window.EventSource,
    fetch: window.fetch,
    sessionStorage: storage(),
    isFrame: window !== window.parent,
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: timer => clearTimeout(timer as number),
    now: Date.now,
    random: Math.random,
  }
}

function storage(): SessionStorage | undefined {
  try {
    return window.sessionStorage // throws where cookies are blocked, and in sandboxed frames
  } catch {
    return undefined
  }
}
