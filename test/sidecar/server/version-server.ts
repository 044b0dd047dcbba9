// A version server for a test, which ends with it.

import type { Test } from 'tap'
import { createCurrent } from '../../../sidecar/current.ts'
import { createVersionServer } from '../../../sidecar/server/server.ts'
import type { VersionServerOptions } from '../../../sidecar/server/server.ts'

type Change = Partial<VersionServerOptions> & Pick<VersionServerOptions, 'listen'>

/** Takes where it is to listen, and what is to be otherwise. It tells of the Deployment `web`. */
export async function startVersionServer(t: Test, change: Change) {
  const current = createCurrent('web', () => {})
  const server = createVersionServer({
    current,
    clientScript: '',
    maxTabs: 100,
    maxHandshakes: 10_000,
    heartbeatMs: 60_000,
    maxAgeMs: 3_600_000,
    expose: 'image',
    log: () => {},
    ...change,
  })
  await server.open()
  t.teardown(server.close)
  return { server, current }
}
