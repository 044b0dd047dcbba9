// What injection gives to the sidecar of a pod of the Deployment `web`.

import { join } from 'node:path'

/** An address of loopback for a pod of this process: no other test that runs at the same time has it. */
export function podAddress(pod: number): string {
  return `127.${20 + pod}.${(process.pid >> 8) & 255}.${process.pid & 255}`
}

/** Takes the folder for its sockets, in which `pod` is its volume, the pod's address, and the app's port. */
export function podEnvironment(dir: string, address: string, appPort: number): Record<string, string> {
  return {
    SPA_MODE: 'sidecar',
    SPA_NAMESPACE: 'shop',
    SPA_NAME: 'web',
    SPA_HASH: '6c487dcc49',
    SPA_POD_IP: address,
    SPA_APP_PORT: `${appPort}`,
    SPA_LISTEN_ADDRESS: address,
    SPA_POD_DIR: join(dir, 'pod'),
    SPA_RUN_DIR: dir,
  }
}
