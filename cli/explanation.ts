// What `explain` says, in the reasons' own sentences. Pure: the facts come in, lines go out.

import { containerName } from '../protocol/names.ts'
import type { ReleaseState } from '../protocol/release.ts'
import type { Decision } from '../webhook/decide.ts'
import type { Plan } from '../webhook/plan.ts'
import { sayReasons, sayWarning } from '../webhook/reasons.ts'
import { appOf } from '../webhook/status.ts'
import type { Status } from '../webhook/status.ts'
import { causes } from './causes.ts'
import type { Cause } from './causes.ts'

export interface Facts {
  kind: 'pod' | 'deployment'
  namespace: string
  name: string
  /** What admission says of the pod, or of one that the Deployment would make. */
  decision: Decision
  /** What keeps the API server from asking. */
  unasked: Cause[]
  /** What could not be read, in sentences: then this part is a guess. */
  unread: string[]
  /** Of a pod: what was done to it at admission; undefined where nothing was. Of a Deployment: undefined. */
  status: Status | undefined
  /** The sidecar's image as the webhook would write it now; undefined where it is not known. */
  image: string | undefined
  /** Of a Deployment: its living pods. */
  pods: { name: string; injected: boolean }[]
  release: ReleaseState | undefined
}

/** Exit code 0: injected, or for a Deployment: new pods are. */
export function explain(facts: Facts): { text: string; exitCode: 0 | 1 } {
  const { kind, namespace, name, decision, status, unasked, unread } = facts
  const subject = `${kind}/${name} in namespace ${namespace}`
  const wouldBe = 'inject' in decision && unasked.length === 0
  const asFar = unread.length > 0 && unasked.length === 0 ? ', as far as could be read' : ''
  const isInjected = kind === 'pod' ? status !== undefined : wouldBe
  const refusals = [
    ...unasked.map(code => `${code}: ${causes[code].replace('<namespace>', namespace)}`),
    ...('skip' in decision ? sayReasons(decision.skip, decision.about) : []),
  ]
  const lines = [
    headline(),
    ...(isInjected ? [] : refusals),
    ...(kind === 'pod' && !isInjected && wouldBe ? [`missed: ${restart(causes.missed)}`] : []),
    '',
    ...(status ? done(status, facts) : []),
    ...(status && refusals.length > 0
      ? ['', `A pod that is made now would not be${asFar}:`, ...refusals]
      : []),
    ...(!status && 'inject' in decision ? planned(decision.inject, facts) : []),
    ...(facts.release ? [`release    ${releaseLine(facts.release)}`] : []),
    ...(kind === 'deployment' ? podLines() : []),
    ...section('Warnings', decision.warnings.map(sayWarning)),
    ...section('Not known', unread),
  ]
  const text = `${lines
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()}\n`
  return { text, exitCode: isInjected ? 0 : 1 }

  function headline(): string {
    if (kind === 'deployment')
      return `New pods of ${subject} ${wouldBe ? `are injected${asFar}.` : `are not injected${asFar}:`}`
    if (isInjected) return `${subject} is injected.`
    return wouldBe
      ? `${subject} is not injected, but would be if it were made now${asFar}:`
      : `${subject} is not injected:`
  }

  function restart(sentence: string): string {
    const { deployment = '<name>' } = decision
    return sentence.replace(
      /kubectl rollout restart deployment$/,
      `kubectl -n ${namespace} rollout restart deployment/${deployment}`,
    )
  }

  function podLines(): string[] {
    const missed = facts.pods.filter(({ injected }) => !injected).map(({ name }) => name)
    const count = `pods       ${facts.pods.length - missed.length} of ${facts.pods.length} are injected`
    if (missed.length === 0 || !wouldBe) return [count]
    return [count, ...section('Not injected', [...missed, `missed: ${restart(causes.missed)}`])]
  }
}

function done(status: Status, { image }: Facts): string[] {
  const older = image !== undefined && image !== status.image ? ` (new pods get ${image})` : ''
  return [
    ...routing(status, appOf(status)),
    `sidecar    container ${containerName}, image ${status.image}${older}, admin port ${status.admin}`,
  ]
}

function planned(plan: Plan, { image = 'not known' }: Facts): string[] {
  return [
    ...routing(plan, plan.app),
    `sidecar    container ${containerName}, image ${image}, admin port ${plan.admin}`,
  ]
}

/** What each way of capture does, from the Service's port to the app. */
const captures: Record<Plan['capture'], (front: number, app: Plan['app']) => string> = {
  name: (front, { port, portName }) =>
    `name: the port name ${portName} leads to the sidecar at ${front}, and from there to ${port}; probes and hooks stay with ${port}`,
  env: (front, { container }) =>
    `env: container ${container} is told another port by its variable PORT, and the sidecar takes ${front} once the app has moved`,
  redirect: (front, { port }) =>
    `redirect: what comes from outside for ${port} is led to the sidecar at ${front}`,
}

function routing({ capture, front }: Pick<Plan, 'capture' | 'front'>, app: Plan['app']): string[] {
  return [
    `app        container ${app.container}, port ${app.port}${app.portName && ` (${app.portName})`}`,
    `capture    ${captures[capture](front, app)}`,
  ]
}

function releaseLine({ revision, phase, since, serial, target }: ReleaseState): string {
  return `revision ${revision} is ${phase} since ${since}, ${target.name}, serial ${serial}`
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines]
}
