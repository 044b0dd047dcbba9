// Before and after other injectors: what each of them did to the pod stays, and asked again nobody has anything left to do.

import t from 'tap'
import { admit, readGolden, settings } from './goldens.ts'
import { containersOf } from '../../webhook/pod.ts'
import { list, object } from '../../release/raw.ts'
import type { Raw } from '../../release/raw.ts'

const { pod, context } = readGolden('helm')
const forms = [false, true]
const agent = 15_020

/** What Istio's injector does (app_probe.go, injection-template.yaml): its containers, and every HTTP probe through its agent. */
function istio(before: Raw): Raw {
  const after = structuredClone(before)
  const spec = object(after.spec)
  const all = [...list(spec.containers), ...list(spec.initContainers)]
  for (const container of all)
    for (const [member, path] of Object.entries({ readinessProbe: 'readyz', livenessProbe: 'livez' })) {
      const { httpGet } = object(container[member])
      if (httpGet !== undefined)
        object(container[member]).httpGet = {
          path: `/app-health/${String(container.name)}/${path}`,
          port: agent,
          scheme: 'HTTP',
        }
    }
  spec.initContainers = [...list(spec.initContainers), { name: 'istio-init', image: 'proxyv2' }]
  const resources = { limits: { cpu: '2', memory: '1Gi' }, requests: { cpu: '100m', memory: '128Mi' } }
  spec.containers = [...list(spec.containers), { name: 'istio-proxy', image: 'proxyv2', resources }]
  spec.volumes = [...list(spec.volumes), { name: 'istio-envoy', emptyDir: {} }]
  Object.assign(object(object(after.metadata).annotations), { 'sidecar.istio.io/status': '{}' })
  return after
}

/** Linkerd's: the proxy is the first container, and counts the ports of the others. */
function linkerd(before: Raw): Raw {
  const after = structuredClone(before)
  const spec = object(after.spec)
  const ports = list(spec.containers).flatMap(({ ports }) =>
    list(ports).map(({ containerPort }) => containerPort),
  )
  const proxy = {
    name: 'linkerd-proxy',
    image: 'proxy',
    env: [{ name: 'LINKERD2_PROXY_INBOUND_PORTS', value: ports.join() }],
  }
  spec.containers = [proxy, ...list(spec.containers)]
  spec.initContainers = [{ name: 'linkerd-init', image: 'init' }, ...list(spec.initContainers)]
  return after
}

for (const [name, others] of Object.entries({ istio, linkerd })) {
  for (const native of forms) {
    const own = { ...settings, isNative: () => native }
    t.test(`${name} after us, ${native ? 'native' : 'plain'}: nothing of it is undone`, async t => {
      const ours = admit(pod, context, own).patched
      const both = others(ours)
      t.same(admit(both, context, own).patch, [])
      // Guaranteed, the late container takes that from the pod: ours stays as it is, with the probes that were taken over.
      const guaranteed = structuredClone(pod)
      for (const { container } of containersOf(guaranteed))
        container.resources = { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1', memory: '1Gi' } }
      t.same(admit(others(admit(guaranteed, context, own).patched), context, own).patch, [])
    })

    t.test(`${name} before us, ${native ? 'native' : 'plain'}: all of it is left`, async t => {
      const theirs = others(pod)
      const both = admit(theirs, context, own).patched
      t.same(without(both), without(theirs))
      t.same(admit(both, context, own).patch, [])
      const { readinessProbe, livenessProbe } = sidecarOf(both)
      if (name === 'istio')
        t.match({ readinessProbe, livenessProbe }, { readinessProbe: { exec: {} }, livenessProbe: undefined })
      else t.match(readinessProbe, { httpGet: { port: 14021 } })
    })
  }
}

t.test('probes that a mesh took over stay with it when the sidecar has to change', async t => {
  const both = istio(admit(pod, context).patched)
  const newer = { ...settings, image: 'registry.example/spa-reloader-sidecar:0.2.0' }
  const changed = sidecarOf(admit(both, context, newer).patched)
  t.match(changed, {
    image: newer.image,
    readinessProbe: { httpGet: { port: agent } },
    livenessProbe: { httpGet: { port: agent } },
  })
})

t.test('a second installation finds the first one’s work: one sidecar, of whoever came last', async t => {
  for (const native of forms) {
    const first = { ...settings, isNative: () => native }
    const second = {
      ...settings,
      image: 'registry.example/mirror/spa-reloader-sidecar:0.1.0',
      isNative: () => !native,
    }
    const once = admit(pod, context, first).patched
    const twice = admit(once, context, second).patched
    t.match(sidecarOf(twice), { ...sidecarOf(once), image: second.image })
    t.same(admit(twice, context, second).patch, [])
    t.same(admit(twice, context, first).patched, once, 'asked again, the first has its own way')
    t.same(
      admit(once, context, { ...second, image: first.image }).patch,
      [],
      'of one version there is nothing to do',
    )
  }
})

t.test('a webhook that changes our container is let be', async t => {
  const meddled = structuredClone(admit(pod, context).patched)
  const sidecar = sidecarOf(meddled)
  sidecar.image = 'mirror.example/spa-reloader-sidecar:0.1.0'
  sidecar.env = [...list(sidecar.env), { name: 'HTTP_PROXY', value: 'http://proxy' }]
  sidecar.resources = { requests: { cpu: '1m' } }
  t.same(admit(meddled, context).patch, [])
})

function sidecarOf(pod: Raw): Raw {
  const { containers, initContainers } = object(pod.spec)
  const found = [...list(containers), ...list(initContainers)].filter(({ name }) => name === 'spa-reloader')
  if (found.length !== 1) throw new Error(`${found.length} sidecars`)
  return found[0]!
}

/** The pod without what is ours, and without the number and the probes of the app that we say we change. */
function without(pod: Raw): Raw {
  const rest = structuredClone(pod)
  const { metadata, spec } = rest
  delete object(object(metadata).labels)['spa-reloader.io/injected']
  for (const key of ['spa-reloader.io/status', 'kubectl.kubernetes.io/default-container'])
    delete object(object(metadata).annotations)[key]
  for (const kind of ['containers', 'initContainers', 'volumes'])
    object(spec)[kind] = list(object(spec)[kind]).filter(
      ({ name }) => !String(name).startsWith('spa-reloader'),
    )
  for (const { container } of containersOf(rest)) {
    for (const port of list(container.ports)) delete port.containerPort
    if (container.name !== 'shop') continue
    delete container.lifecycle
    for (const probe of ['livenessProbe', 'readinessProbe'])
      delete object(object(container[probe]).httpGet).port
  }
  return rest
}
