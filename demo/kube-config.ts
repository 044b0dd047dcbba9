// How to reach the demo's API server: plain HTTP on loopback, without credentials.

import { KubeConfig } from '@kubernetes/client-node/dist/config.js'

export function kubeConfig(server: string): KubeConfig {
  const config = new KubeConfig()
  const name = 'demo'
  config.loadFromOptions({
    clusters: [{ name, server, skipTLSVerify: true }], // without that the client refuses a server that is not HTTPS
    users: [{ name }],
    contexts: [{ name, cluster: name, user: name }],
    currentContext: name,
  })
  return config
}
