// Capture `env`: the app is told another port by its variable PORT, and the front takes the one that the Services target. Ports, probes and
// hooks stay as they are: on the old number they find the front, which listens only while the app does, or the app, should it have stayed.

import type { Situation } from './capture.ts'
import { append, replace } from './patch.ts'
import type { Operation, Path } from './patch.ts'
import type { Plan } from './plan.ts'
import { containerOf, containersOf } from './pod.ts'
import { list, object } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'

const variable = 'PORT'

/** Below this, a process without privileges may not listen unless the sysctl says otherwise. */
const firstFreePort = 1_024
const portStart = 'net.ipv4.ip_unprivileged_port_start'

/** Whether the app gets its port from PORT, as far as the pod tells, and nothing in the pod would mind that it moves. */
export function fitsEnv({ pod: { raw }, app, before }: Situation): boolean {
  const container = containerOf(raw, app.container)?.container
  if (!container) return false
  const variables = list(container.env).filter(({ name }) => name === variable)
  const [value] = variables.map(({ value }) => value)
  const wasMoved = before?.capture === 'env' && before.port === app.port
  const isLiteral = value === String(app.port) || (wasMoved && value === String(before.moved))
  return (
    variables.length === 1 && isLiteral && !waits(raw) && !mentions(container) && mayListen(raw, app.port)
  )
}

/** The patch: another PORT, and the right to listen on a low port where nobody has said anything about that. */
export function moveApp(pod: Raw, at: Path, container: Raw, { app, moved, before }: Plan): Operation[] {
  if (moved === undefined) return []
  const index = Array.isArray(container.env)
    ? container.env.findIndex(item => object(item).name === variable)
    : -1
  const { value } = list(container.env).find(({ name }) => name === variable) ?? {}
  const isOurs = value === String(app.port) || value === String(before?.moved)
  return [
    ...(isOurs ? replace([...at, 'env', index, 'value'], value, String(moved)) : []),
    ...(app.port < firstFreePort && sysctl(pod) === undefined ? allowLowPorts(pod) : []),
  ]
}

/**
 * The kubelet starts the containers after the one with such a hook only when the hook has returned (kubernetes.io/docs/concepts/containers/
 * container-lifecycle-hooks): one that waits for the old port would wait for the sidecar, and the sidecar for it.
 */
function waits(pod: Raw): boolean {
  return containersOf(pod).some(({ container }) => object(container.lifecycle).postStart !== undefined)
}

/** A command that asks at $PORT fails where the app does not heed PORT, and the kubelet would end the container. */
function mentions({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Raw): boolean {
  const actions = [livenessProbe, readinessProbe, startupProbe, object(lifecycle).preStop]
  return actions.some(action => JSON.stringify(object(action).exec ?? '').includes(variable))
}

function mayListen(pod: Raw, port: number): boolean {
  return port >= firstFreePort || Number(sysctl(pod) ?? 0) <= port
}

function sysctl(pod: Raw): unknown {
  const { sysctls } = object(object(pod.spec).securityContext)
  return list(sysctls).find(({ name }) => name === portStart)?.value
}

/** Safe, and allowed by Pod Security `restricted`: it counts in the pod's own network only. */
function allowLowPorts(pod: Raw): Operation[] {
  const { securityContext } = object(pod.spec)
  const sysctls = [{ name: portStart, value: '0' }]
  if (securityContext === undefined) return [{ op: 'add', path: '/spec/securityContext', value: { sysctls } }]
  return append(['spec', 'securityContext', 'sysctls'], object(securityContext).sysctls, sysctls)
}
