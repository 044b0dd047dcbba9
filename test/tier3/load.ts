// A rollout of 20 steps under constant load loses no more with the sidecar than without it; without draining it does lose some.

import t from 'tap'
import { lasting, underLoad } from '../cluster/traffic.ts'
import type { Losses } from '../cluster/traffic.ts'
import { deployWeb, install, settled } from './installation.ts'

const replicas = 4
const rollouts = 5 // of so many steps each

const webhook = 'spa-reloader-webhook'
const app = { replicas, container: lasting }

t.test('rollouts under load', async t => {
  const cluster = await install(t)
  await Promise.all([cluster.buildApp('one', 'web:1'), tellWebhook('SPA_WEBHOOK_DRAIN_SEC=1')])
  const plain = await deployWeb(cluster, { namespace: 'plain', labelled: false, ...app })
  const injected = await deployWeb(cluster, { namespace: 'injected', labelled: true, ...app })

  // At the same time, so that whatever slows the machine down slows both.
  const [without, withSidecar] = await Promise.all([
    underLoad(plain, () => restart('plain', rollouts)),
    underLoad(injected, () => restart('injected', rollouts)),
  ])
  t.comment(JSON.stringify({ without, with: withSidecar }))
  t.ok(rate(withSidecar) <= rate(without), 'no more failures than without the sidecar')

  // A plain container is told to end together with the app, and then goes at once; a native one would outlive it all the same.
  // The webhook that was ends soon after, as it was told above: the API server keeps its connections to it, and would go on asking it.
  await tellWebhook('SPA_SIDECAR_DRAIN_SEC=0 SPA_SIDECAR_FORM=plain')
  await settled(cluster, 'spa-reloader', webhook)
  await restart('injected')
  const told = (await cluster.pods('injected')).filter(({ metadata }) => !metadata.deletionTimestamp)
  const plainly = told.map(({ spec }) => spec.containers.some(({ name }) => name === 'spa-reloader'))
  t.strictSame(plainly, Array(replicas).fill(true), 'the webhook that was told so has injected each pod')
  const undrained = await underLoad(injected, () => restart('injected'))
  t.comment(`with draining switched off: ${JSON.stringify(undrained)}`)
  t.ok(rate(undrained) > rate(withSidecar), 'the measurement can tell')

  async function tellWebhook(variables: string): Promise<void> {
    await cluster.inNamespace('spa-reloader', `set env deployment/${webhook} ${variables}`)
    await cluster.rolledOut('spa-reloader', webhook)
  }

  async function restart(namespace: string, times = 1): Promise<void> {
    for (let time = 0; time < times; time += 1) {
      await cluster.inNamespace(namespace, 'rollout restart deployment/web')
      await cluster.rolledOut(namespace, 'web')
    }
  }
})

function rate({ sent, failures }: Losses): number {
  return failures / sent
}
