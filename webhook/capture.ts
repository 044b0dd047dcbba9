// By which way the traffic of the Services comes to the front: the owner's choice where it fits the pod, else the first that does.
// A pod that we have changed before keeps its way: what was done to its containers is not undone.

import type { App, Route } from '../release/app.ts'
import { fitsEnv } from './capture-env.ts'
import { fitsRedirect } from './capture-redirect.ts'
import type { Redirect } from './capture-redirect.ts'
import { sidecarOf } from './pod.ts'
import type { NewPod } from './pod.ts'
import type { Status } from './status.ts'

/** In the order in which they are tried. */
export const captures = ['name', 'env', 'redirect'] as const
export type Capture = (typeof captures)[number]

export interface Situation {
  pod: NewPod
  /** As it was before we changed it. */
  app: App
  /** Those that lead to the app. */
  routes: readonly Route[]
  before: Status | undefined
  redirect: Redirect
  /** Policies would drop what comes on another port of the pod. */
  isDropped: boolean
}

const fits: Record<Capture, (situation: Situation) => boolean> = {
  name: fitsName,
  env: fitsEnv,
  redirect: fitsRedirect,
}

/** Returns undefined when nothing fits. */
export function captureOf(choice: Capture | 'auto', situation: Situation): Capture | undefined {
  const { before, pod } = situation
  const tried = before && sidecarOf(pod.raw) ? [before.capture] : [choice, ...captures]
  return tried.find((capture): capture is Capture => capture !== 'auto' && fits[capture](situation))
}

/** Where a Service leads that does not pass the front. */
export function bypasses(capture: Capture, { app, routes }: Pick<Situation, 'app' | 'routes'>): Route[] {
  return capture === 'name' ? routes.filter(route => !isByName(app, route)) : []
}

/** Without a Service, one that comes later may ask for the name. */
function fitsName({ app, routes, isDropped }: Situation): boolean {
  if (isDropped) return false
  return app.portName !== '' && (routes.length === 0 || routes.some(route => isByName(app, route)))
}

/** The port name that the Service asks for is the one that will lead to the front. */
function isByName(app: App, route: Route): boolean {
  return route.byName && route.app.portName === app.portName
}
