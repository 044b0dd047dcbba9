import t from 'tap'
import type { Raw } from '../../release/raw.ts'
import { amountsOf, isSane, needs, resources } from '../../webhook/resources.ts'
import type { Wishes } from '../../webhook/resources.ts'

const usual = { cpu: '10m', cpuLimit: undefined, memory: '64Mi', memoryLimit: '192Mi' }

function amounts(own: Wishes, installed: Wishes = {}, feed: 'downward' | 'watch' = 'downward') {
  return amountsOf(own, installed, needs({ feed }))
}

t.test('what is said takes the place of the default of that field alone', async t => {
  t.same(amounts({}), { amounts: usual, raised: [] })
  t.same(amounts({ memory: '128Mi' }), { amounts: { ...usual, memory: '128Mi' }, raised: [] })
  t.same(amounts({ memoryLimit: '1G' }).amounts, { ...usual, memoryLimit: '1G' }, 'as it is written')
  t.same(amounts({ cpu: '.05', cpuLimit: '1' }).amounts, { ...usual, cpu: '.05', cpuLimit: '1' })
  t.same(amounts({}, {}, 'watch').amounts, { ...usual, memory: '96Mi', memoryLimit: '224Mi' })
})

t.test('the pod goes before the installation', async t => {
  const installed = { cpu: '20m', memory: '96Mi', memoryLimit: '512Mi' }
  t.same(amounts({}, installed), { amounts: { ...usual, ...installed }, raised: [] })
  t.match(amounts({ memory: '128Mi' }, installed).amounts, { memory: '128Mi', memoryLimit: '512Mi' })
})

t.test('a limit below the request is raised to it, and what the pod said in vain is named', async t => {
  t.match(amounts({ cpu: '2', cpuLimit: '1500m' }), { amounts: { cpuLimit: '2' }, raised: ['cpuLimit'] })
  t.match(amounts({ cpuLimit: '5m' }), { amounts: { cpu: '10m', cpuLimit: '10m' }, raised: ['cpuLimit'] })
  const installed = { memoryLimit: '192Mi' }
  t.match(amounts({ memory: '256Mi' }, installed), { amounts: { memoryLimit: '256Mi' }, raised: ['memory'] })
  t.match(
    amounts({ memory: '256Mi' }),
    { amounts: { memoryLimit: '256Mi' }, raised: [] },
    'nobody said another',
  )
  t.same(amounts({}, { memory: '256Mi' }).raised, [])
})

t.test('there is never less memory than the sidecar works with', async t => {
  const said = { memory: '32Mi', memoryLimit: '64Mi' }
  t.match(amounts(said), { amounts: { memory: '32Mi', memoryLimit: '96Mi' }, raised: ['memoryLimit'] })
  t.match(amounts(said, {}, 'watch'), { amounts: { memoryLimit: '128Mi' }, raised: ['memoryLimit'] })
})

t.test('nobody means an eighth of a byte, or more than there is', async t => {
  for (const text of ['1m', '0.25', '2', '1e1']) t.ok(isSane('cpu', text), text)
  for (const text of ['64Mi', '128M', '134217728', '1.5Gi']) t.ok(isSane('memoryLimit', text), text)
  for (const text of ['0', '-1', '0.1m', '128Mi', '', 'much']) t.notOk(isSane('cpuLimit', text), text)
  for (const text of ['0', '-64Mi', '128m', '128', '2Ti', '128 Mi', '128MB'])
    t.notOk(isSane('memory', text), text)
})

t.test(
  'the class of service stays, and a limit of the CPU is there where it is asked for or usual',
  async t => {
    const pod = (resources: object): Raw => ({ spec: { containers: [{ name: 'web', resources }] } })
    const { amounts: small } = amounts({ cpu: '300m', memory: '128Mi' })
    const memory = { requests: { cpu: '300m', memory: '128Mi' }, limits: { memory: '192Mi' } }
    t.same(resources(pod({}), small), memory)
    t.same(resources(pod({ limits: { cpu: '1' } }), small), {
      ...memory,
      limits: { cpu: '300m', memory: '192Mi' },
    })
    const both = { cpu: '300m', memory: '192Mi' }
    t.same(resources(pod({ limits: { cpu: '1', memory: '1Gi' } }), small), { requests: both, limits: both })
    const { amounts: capped } = amounts({ cpuLimit: '1' })
    t.same(resources(pod({}), capped), {
      requests: { cpu: '10m', memory: '64Mi' },
      limits: { cpu: '1', memory: '192Mi' },
    })
  },
)
