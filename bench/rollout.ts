// What 20 rollouts lose of a constant load (test/cluster/traffic.ts), with the sidecar and without it: two Deployments on one real node at the same
// time, so that whatever slows the machine down slows both.

import { lasting, underLoad } from '../test/cluster/traffic.ts'
import type { Losses } from '../test/cluster/traffic.ts'
import { deployWeb, install } from '../test/tier3/installation.ts'
import type { Host } from '../test/tier3/installation.ts'
import { rounded } from './figures.ts'

const rollouts = 20

/** `requests` of each; what failed is told for 100,000 of them. */
export async function rollout(host: Host) {
  const cluster = await install(host)
  await Promise.all(['1', '2'].map(version => cluster.buildApp(version, `web:${version}`)))
  const app = { container: lasting }
  const plain = await deployWeb(cluster, { namespace: 'plain', labelled: false, ...app })
  const injected = await deployWeb(cluster, { namespace: 'injected', labelled: true, ...app })
  const [without, withSidecar] = await Promise.all([
    underLoad(plain, () => roll('plain')),
    underLoad(injected, () => roll('injected')),
  ])
  host.comment(JSON.stringify({ without: without.reasons, with: withSidecar.reasons }))
  return {
    requests: Math.min(without.sent, withSidecar.sent),
    failed_injected: per100000(withSidecar),
    failed_plain: per100000(without),
    rollouts,
  }

  async function roll(namespace: string): Promise<void> {
    for (let count = 0; count < rollouts; count += 1) {
      await cluster.inNamespace(namespace, `set image deployment/web web=web:${((count + 1) % 2) + 1}`)
      await cluster.inNamespace(namespace, 'rollout status deployment/web --timeout=240s')
    }
  }
}

function per100000({ sent, failures }: Losses): number {
  return rounded((failures / sent) * 100_000, 1)
}
