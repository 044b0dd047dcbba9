// The promises of docs/model.md, searched for a failure in every state that the scenarios lead to; and each rule, switched off.

import t from 'tap'
import type { Test } from 'tap'
import { ablations } from './ablations.ts'
import { shipped } from './rules.ts'
import { scenarios } from './scenarios.ts'
import { search } from './search.ts'
import { createGame } from './world.ts'
import type { Setting } from './world.ts'

t.setTimeout(1_800_000) // of a machine that has much else to do: it takes up to two minutes of one core

const failures = ['miss', 'false alarm', 'loop'] as const
const mostStates = 100_000

/** Nobody's version goes away in these. */
const silent = new Set<string>([
  'a rollout whose deadline passes halfway',
  'a restart',
  'a rollout beside another Deployment that stays',
  'a Deployment that is deleted and made again',
])
/** Another rollout begins while a tab may not have heard of it yet: the window that is left. */
const overtaken = new Set<string>(
  Object.entries(scenarios).flatMap(([name, { snapshots }]) =>
    new Set(snapshots.map(({ begun }) => begun)).size > 2 ? [name] : [],
  ),
)

for (const [name, scenario] of Object.entries(scenarios)) {
  t.test(`${name}: nobody is missed, told wrongly or sent in circles`, async t => {
    holds(t, name, scenario)
    holds(t, name, { ...scenario, cdn: true })
    holds(t, name, { ...scenario, page: 'etag' })
  })
}

const scaled = 'a tag that was pushed again, and all pods scaled away and back'
for (const name of [
  'a rollout',
  'a restart',
  'a tag that was pushed again, and a restart',
  scaled,
] as const) {
  t.test(`${name}, while the controller looks late, or at copies of different age`, async t => {
    if (name !== scaled) holds(t, name, { ...scenarios[name], outages: true }) // one that was away takes them for the former bytes
    for (const late of ['deployments', 'replicaSets', 'pods'] as const)
      holds(t, name, { ...scenarios[name], late })
  })
}

for (const { without, rules, scenario, cdn = false, leadsTo } of ablations) {
  t.test(`without ${without}, there is a ${leadsTo}`, async t => {
    const game = createGame({ ...scenarios[scenario], cdn }, { ...shipped, ...rules })
    const { failure, states } = search(game, [leadsTo], mostStates)
    t.equal(failure?.kind, leadsTo, `within ${states} states of ${scenario}`)
    for (const sentence of failure?.trace ?? []) t.comment(sentence)
  })
}

function holds(t: Test, name: string, setting: Setting): void {
  const { states, settled, late, failure } = search(createGame(setting, shipped), failures, mostStates)
  t.comment(
    `${states} states; settled: ${settled.current} current, ${settled.offered} with an offer; in the window: ${late}`,
  )
  t.equal(failure?.trace.join('\n'), undefined, failure?.kind ?? 'no failure')
  t.ok(states > 12 * setting.snapshots.length, 'enough states to mean something')
  t.ok(settled.current > 0, 'some of them are settled with a tab that is current')
  t.equal(settled.offered > 0, !silent.has(name), 'and with one that is told, where one is to be')
  t.ok(late === 0 || overtaken.has(name), 'nothing is late unless something overtakes it')
}
