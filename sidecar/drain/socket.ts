// The end of the preStop hook that is inside the sidecar: a connection begins draining and is held for as long as the hook shall last.
// A unix socket in a volume that only our container mounts, so nobody else can drain a pod.

import { rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'

export interface DrainSocket {
  /** Rejects when the socket's path cannot be listened on. */
  open(): Promise<void>
  /** Lets every hook return. */
  close(): void
}

/** `begin` is called for each connection; the hook returns when its promise does. */
export function createDrainSocket(socketPath: string, begin: () => Promise<void>): DrainSocket {
  const hooks = new Set<Socket>()
  const server = createServer(hook => {
    hooks.add(hook)
    hook.on('error', () => hook.destroy()) // the kubelet has given the hook up; draining goes on
    hook.on('close', () => hooks.delete(hook))
    hook.resume()
    void begin().finally(() => hook.end())
  })
  return { open, close }

  function open(): Promise<void> {
    rmSync(socketPath, { force: true }) // of a process that was killed before us in this pod
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(socketPath, () => resolve())
    })
  }

  function close(): void {
    server.close()
    for (const hook of hooks) hook.destroy()
  }
}
