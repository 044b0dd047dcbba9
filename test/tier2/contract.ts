// The same contract that the demo's own API server and controllers pass, on the real ones.

import { KubeConfig } from '@kubernetes/client-node/dist/config.js'
import t from 'tap'
import { createApi } from '../../release/api.ts'
import { startControlPlane } from '../cluster/control-plane.ts'
import { clusterContract } from '../demo/contract.ts'

const cluster = await startControlPlane()
const api = createApi(() => {
  const config = new KubeConfig()
  config.loadFromFile(cluster.kubeconfig)
  return config
})
t.teardown(async () => {
  api.close()
  await cluster.stop()
})
clusterContract(t, api)
