// What the server says of all apps and pods, put together. A snapshot is collected aside and takes the place of what was known when it is
// whole, so nothing flickers when a connection begins anew.

import type { ConsoleApp, ConsoleEvent, ConsoleInstance } from '../../../../protocol/console.ts'

export interface Change {
  before: ConsoleApp | undefined
  after: ConsoleApp
}

export interface Fleet {
  /** Takes one event; returns the apps of which something else is true now. */
  receive(event: ConsoleEvent): Change[]
  /** Whether a whole snapshot has been there. */
  isKnown(): boolean
  apps(): ConsoleApp[]
  app(id: string): ConsoleApp | undefined
  instances(app: string): ConsoleInstance[]
}

interface Truth {
  apps: Map<string, ConsoleApp>
  /** By the id of the app, then by their own. */
  instances: Map<string, Map<string, ConsoleInstance>>
  appOf: Map<string, string>
}

export function createFleet(): Fleet {
  let truth = nothing()
  let coming: Truth | undefined
  let isKnown = false

  return {
    isKnown: () => isKnown,
    apps: () => [...truth.apps.values()],
    app: id => truth.apps.get(id),
    instances: app => [...(truth.instances.get(app)?.values() ?? [])],
    receive(event) {
      const into = coming ?? truth
      switch (event.type) {
        case 'reset':
          coming = nothing()
          return []
        case 'apps':
          return told(event.payload.map(app => putApp(into, app)))
        case 'app_status':
          return told([putApp(into, event.payload)])
        case 'app_gone':
          into.apps.delete(event.payload.id)
          return []
        case 'instances':
          for (const instance of event.payload) putInstance(into, instance)
          return []
        case 'instance_status':
          putInstance(into, event.payload)
          return []
        case 'instance_gone':
          dropInstance(into, event.payload.id)
          return []
        case 'ready':
          return swap()
        case 'heartbeat':
        case 'bye':
          return []
        default:
          return [] // of a later server
      }
    },
  }

  /** Of a snapshot on its way nothing is told until it is whole. */
  function told(changes: Change[]): Change[] {
    return coming ? [] : changes
  }

  function swap(): Change[] {
    if (!coming) return []
    const before = truth
    const wasKnown = isKnown
    truth = coming
    coming = undefined
    isKnown = true
    return wasKnown
      ? [...truth.apps.values()].map(after => ({ before: before.apps.get(after.id), after }))
      : []
  }
}

function nothing(): Truth {
  return { apps: new Map(), instances: new Map(), appOf: new Map() }
}

function putApp({ apps }: Truth, after: ConsoleApp): Change {
  const before = apps.get(after.id)
  apps.set(after.id, after)
  return { before, after }
}

function putInstance({ instances, appOf }: Truth, instance: ConsoleInstance): void {
  let ofApp = instances.get(instance.app)
  if (!ofApp) instances.set(instance.app, (ofApp = new Map()))
  ofApp.set(instance.id, instance)
  appOf.set(instance.id, instance.app)
}

function dropInstance({ instances, appOf }: Truth, id: string): void {
  const app = appOf.get(id)
  if (app === undefined) return
  appOf.delete(id)
  const ofApp = instances.get(app)
  ofApp?.delete(id)
  if (ofApp?.size === 0) instances.delete(app)
}
