import t from 'tap'
import { formatReleaseState } from '../../protocol/release.ts'
import { readConfig } from '../../sidecar/config.ts'
import { inject } from '../../webhook/inject.ts'
import { list, object } from '../../release/raw.ts'
import type { Raw } from '../../release/raw.ts'
import {
  admit,
  apply,
  readGolden,
  readGoldens,
  releaseState,
  settings,
  update,
  writeGolden,
} from './goldens.ts'

for (const { name, pod, context, settings, expected } of readGoldens()) {
  t.test(`${name}: the pod comes out as in its golden, and unchanged the second time`, async t => {
    const { decision, patched } = admit(pod, context, settings)
    const { warnings } = decision
    const documents = [
      'skip' in decision
        ? { skip: decision.skip, ...(decision.about && { about: decision.about }) }
        : patched,
      ...(warnings.length > 0 ? [{ warnings }] : []),
    ]
    if (update) return writeGolden(name, documents)
    t.same(documents, expected)
    t.same(admit(patched, context, settings).patch, [])
    const other = { ...settings, isNative: () => !settings.isNative() }
    t.same(admit(patched, context, other).patch, [], 'it stays where it is')
    const native = admit(pod, context, { ...settings, isNative: () => true }).patched
    t.same(admit(native, context, settings).patch, [], 'as a native sidecar, too')
  })
}

t.test(
  'unknown fields survive: everything but what we name stays, wherever strangers put their fields',
  async t => {
    const { pod, context } = readGolden('helm')
    for (let seed = 1; seed <= 200; seed++) {
      const strange = sprinkle(pod, random(seed))
      const { patched, patch } = admit(strange, context)
      t.ok(patch.length > 0)
      const isKept = t.same(without(patched), without(strange), `seed ${seed}`)
      const isStable = t.same(admit(patched, context).patch, [], `seed ${seed}: the second patch`)
      if (!isKept || !isStable) break // one difference is enough to read
    }
  },
)

t.test('a patch does not apply to a pod that is another than the one that was seen', async t => {
  const { pod, context } = readGolden('helm')
  const { patch } = admit(pod, context)
  const other = structuredClone(pod)
  const [container] = list(object(other.spec).containers)
  list(container?.ports)[0]!.containerPort = 81
  t.throws(() => apply(other, patch), /Test operation failed/)
})

t.test('each replacement is guarded by a test of what was there', async t => {
  for (const { pod, context } of readGoldens()) {
    const { patch } = admit(pod, context)
    for (const [index, operation] of patch.entries()) {
      if (operation.op === 'replace')
        t.match(patch[index - 1], { op: 'test', path: operation.path }, operation.path)
    }
  }
})

t.test('a hook is not repeated to the API server, which compares it letter by letter', async t => {
  const { pod, context } = readGolden('no-service')
  const raw = structuredClone(pod)
  const postStart = { exec: { command: ['sh', '-c', 'envsubst </in >/out && echo done'] } }
  list(object(raw.spec).containers)[0]!.lifecycle = { postStart }
  const { patch, patched } = admit(raw, context)
  const tests = patch.filter(({ op }) => op === 'test')
  t.notMatch(JSON.stringify(tests), 'envsubst')
  t.match(list(object(patched.spec).containers)[0], { lifecycle: { postStart, preStop: {} } })
})

t.test(
  'another webhook takes the port that the app was sent to: app and sidecar are sent to the next',
  async t => {
    const { pod, context } = readGolden('env')
    const { patched } = admit(pod, context)
    const other = { name: 'other', image: 'other:1', ports: [{ containerPort: 14_022 }] }
    object(patched.spec).containers = [...list(object(patched.spec).containers), other]
    const again = admit(patched, context).patched
    const [app, sidecar] = list(object(again.spec).containers)
    const variable = (container: Raw | undefined, wanted: string) =>
      list(container?.env).find(({ name }) => name === wanted)?.value
    t.equal(variable(app, 'PORT'), '14023')
    t.equal(variable(sidecar, 'SPA_APP_PORT'), '14023')
    t.equal(variable(sidecar, 'SPA_FRONT_PORT'), '3000')
    t.same(admit(again, context).patch, [])
  },
)

t.test('another webhook adds a container: the port that nobody declares is still the app’s', async t => {
  const { pod, context } = readGolden('env-sysctl')
  const { patched } = admit(pod, context)
  const spec = object(patched.spec)
  spec.containers = [...list(spec.containers), { name: 'other', image: 'other:1' }]
  const { decision, patch } = admit(patched, context)
  t.match(decision, { inject: { capture: 'env', app: { container: 'node', port: 80 } } })
  t.same(patch, [])
})

t.test('the last known state comes along at admission, but never takes the place of a newer one', async t => {
  const { pod, context } = readGolden('no-service')
  const first = admit(pod, { ...context, release }).patched
  t.equal(stateOf(first), formatReleaseState(releaseState))
  t.same(admit(first, { ...context, release }).patch, [])

  const newer = { ...releaseState, serial: 32 }
  t.equal(
    stateOf(admit(first, { ...context, release: () => newer }).patched),
    formatReleaseState(newer),
    'a newer one does',
  )
  const older = { ...releaseState, serial: 30 }
  t.same(admit(first, { ...context, release: () => older }).patch, [])
  object(object(first.metadata).annotations)['spa-reloader.io/release'] = 'nonsense'
  t.equal(stateOf(admit(first, { ...context, release }).patched), formatReleaseState(releaseState))
})

t.test('how long to drain follows the grace period of the pod, unless it is configured', async t => {
  const { pod, context } = readGolden('no-service')
  const drain = (grace: number | undefined, drainSec?: number) => {
    const raw = structuredClone(pod)
    if (grace !== undefined) object(raw.spec).terminationGracePeriodSeconds = grace
    const { decision } = admit(raw, context)
    if (!('inject' in decision)) throw new Error('not injected')
    const patched = apply(raw, inject(raw, decision.inject, { ...settings, drainSec }))
    const sidecar = list(object(patched.spec).containers).find(({ name }) => name === 'spa-reloader')!
    const { value } = list(sidecar.env).find(({ name }) => name === 'SPA_DRAIN_SEC')!
    return { value, preStop: 'lifecycle' in sidecar }
  }
  t.same(drain(undefined), { value: '25', preStop: true })
  t.same(drain(60), { value: '55', preStop: true })
  t.same(drain(3), { value: '1', preStop: true })
  t.same(drain(60, 7), { value: '7', preStop: true })
  t.same(drain(60, 0), { value: '0', preStop: false }, 'switched off, so there is nothing to wait for')
})

t.test(
  'the app goes on for as long as the sidecar stays anyway, where it has no preStop of its own',
  async t => {
    const { pod, context } = readGolden('no-service')
    const { patched } = admit(pod, context)
    const lifecycle = (own: unknown, grace = 30, drainSec?: number) => {
      const raw = structuredClone(pod)
      const spec = object(raw.spec)
      spec.terminationGracePeriodSeconds = grace
      if (own !== undefined) list(spec.containers)[0]!.lifecycle = own
      const { patched } = admit(raw, context, { ...settings, drainSec })
      return list(object(patched.spec).containers)[0]!.lifecycle
    }
    const stays = { preStop: { sleep: { seconds: 3 } } }
    t.same(lifecycle(undefined), stays)
    const postStart = { exec: { command: ['/warm-up'] } }
    t.same(lifecycle({ postStart }), { postStart, ...stays })
    const byName = { postStart: { httpGet: { path: '/warm-up', port: 'http' } } }
    t.same(lifecycle(byName), { postStart: { httpGet: { path: '/warm-up', port: 8080 } }, ...stays })
    const own = { preStop: { exec: { command: ['/bye'] } } }
    t.same(lifecycle(own), own)
    t.same(lifecycle(undefined, 8), stays)
    t.equal(lifecycle(undefined, 7), undefined, 'the app needs the rest of its grace period')
    t.equal(lifecycle(undefined, 30, 0), undefined, 'draining is off')
    t.same(admit(patched, context).patch, [])
  },
)

t.test('the sidecar takes the environment that it is given, however long the grace period', async t => {
  const { pod, context } = readGolden('helm')
  for (const [grace, drainMs] of [
    [30, 25_000],
    [7_200, 3_600_000],
  ]) {
    const raw = { ...pod, spec: { ...object(pod.spec), terminationGracePeriodSeconds: grace } }
    const { patched } = admit(raw, context)
    const own = list(object(patched.spec).containers).find(({ name }) => name === 'spa-reloader')
    const variables = list(own?.env).map(({ name, value }) => [String(name), value ?? '10.0.0.1']) // the others are its pod's fields
    t.equal(readConfig(Object.fromEntries(variables) as NodeJS.ProcessEnv).drainMs, drainMs)
  }
})

function release() {
  return releaseState
}

function stateOf(pod: Raw): unknown {
  return object(object(pod.metadata).annotations)['spa-reloader.io/release']
}

function isOurs({ name }: Raw): boolean {
  return String(name).startsWith('spa-reloader')
}

/** What we say that we change; the rest of the pod must be as it was. */
function without(pod: Raw): Raw {
  const rest = structuredClone(pod)
  const metadata = object(rest.metadata)
  delete object(metadata.labels)['spa-reloader.io/injected']
  for (const key of ['spa-reloader.io/status', 'kubectl.kubernetes.io/default-container'])
    delete object(metadata.annotations)[key]
  const spec = object(rest.spec)
  spec.containers = list(spec.containers).filter(container => !isOurs(container))
  spec.volumes = list(spec.volumes).filter(volume => !isOurs(volume))
  const [app] = list(spec.containers)
  delete list(app?.ports)[0]?.containerPort
  delete object(object(app?.livenessProbe).httpGet).port
  delete object(object(app?.readinessProbe).httpGet).port
  delete app?.lifecycle
  return rest
}

/** A copy with unknown fields in some of its objects. */
function sprinkle(value: Raw, next: () => number): Raw {
  const copy = structuredClone(value)
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    Object.values(node).forEach(visit)
    if (Array.isArray(node) || isMap(node as Raw)) return
    if (next() < 0.5)
      (node as Raw)[`future${Math.floor(next() * 1000)}~/`] = [null, { deep: next() }, 'x'][
        Math.floor(next() * 3)
      ]
  }
  visit(copy)
  return copy
}

/** Labels and annotations hold strings only. */
function isMap(node: Raw): boolean {
  return Object.keys(node).some(key => key.includes('/') || key.includes('pod-template-hash'))
}

/** Numbers between 0 and 1, the same ones for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296
  }
}
