// What is going to be done to a pod: the decision's outcome, from which the container and the patch are built.

import type { ReleaseState } from '../protocol/release.ts'
import type { App } from '../release/app.ts'
import type { Capture } from './capture.ts'
import type { Options } from './options.ts'
import type { Status } from './status.ts'

export interface Plan extends Omit<Options, 'capture'> {
  /** The Deployment. */
  name: string
  app: App
  capture: Capture
  /** Where the front listens. */
  front: number
  /** With capture `env`: where the app is to listen instead. */
  moved: number | undefined
  admin: number
  /** The namespace hands out user ids, and refuses pods that ask for another one. */
  anyUser: boolean
  /** The Deployment's last known release state. */
  release: ReleaseState | undefined
  /** What was done to this pod the last time. */
  before: Status | undefined
}
