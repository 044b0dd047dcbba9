// What happens to the cluster, one history each. The network and the tab do what they like meanwhile.

import { createHistory, digest } from './cluster.ts'
import type { History, Template } from './cluster.ts'
import type { Setting } from './world.ts'

const a: Template = { hash: 'aaa', image: 'web:1', bytes: 'A' }
const b: Template = { hash: 'bbb', image: 'web:2', bytes: 'B' }
const c: Template = { hash: 'ccc', image: 'web:3', bytes: 'C' }
/** The same image after `kubectl rollout restart`, which makes another template of it. */
const aAgain: Template = { ...a, hash: 'aa2' }
/** As well, but its tag was pushed again: E is not A. */
const pushed: Template = { ...aAgain, bytes: 'E' }

/** By name. They start from a Deployment `web` of two pods, with a tab that may be opened at any time. */
export const scenarios = {
  'a rollout': scenario(history => history.rollOut('web', b)),
  'a rollout and a rollback': scenario(history => {
    history.rollOut('web', b)
    history.rollOut('web', a)
  }),
  'two rollouts': scenario(history => {
    history.rollOut('web', b)
    history.rollOut('web', c)
  }),
  'a rollout, a rollback and the rollout again': scenario(history => {
    history.rollOut('web', b)
    history.rollOut('web', a)
    history.rollOut('web', b)
  }),
  'a rollout that is rolled back halfway': scenario(history => {
    history.rollOut('web', b, { halfway: true })
    history.rollOut('web', a)
  }),
  'a rollout that is overtaken halfway': scenario(history => {
    history.rollOut('web', b, { halfway: true })
    history.rollOut('web', c)
  }),
  'a rollout whose deadline passes halfway': scenario(history => {
    history.rollOut('web', b, { halfway: true })
    history.expire('web')
  }),
  'a rollout whose deadline passes, and which ends after all': scenario(history => {
    history.rollOut('web', b, { halfway: true })
    history.expire('web')
    history.proceed('web')
  }),
  'a restart': scenario(history => history.rollOut('web', aAgain)),
  'a restart during which the nodes report different digests': scenario(history => {
    history.rollOut('web', {
      ...aAgain,
      digests: [digest('a2'), digest('a')],
    })
    history.rollOut('web', b)
  }),
  'a tag that was pushed again, and a restart': scenario(history => history.rollOut('web', pushed)),
  'a tag that was pushed again, a container that starts again, and a restart': scenario(history => {
    history.push('web', 'E')
    history.fail('web')
    history.rollOut('web', pushed)
  }),
  'scaled to none and back': scenario(history => {
    history.scale('web', 0)
    history.scale('web', 2)
    history.rollOut('web', b)
  }),
  'a tag that was pushed again, and all pods scaled away and back': scenario(history => {
    history.push('web', 'E')
    history.scale('web', 0)
    history.scale('web', 2)
  }),
  'a rollout, and a rollback to a tag that was pushed again': scenario(history => {
    history.rollOut('web', b)
    history.rollOut('web', { ...a, bytes: 'E' })
  }),
  'a rollout, and then more pods, which never start': scenario(history => {
    history.rollOut('web', b)
    history.scale('web', 3, { stuck: true })
  }),
  'a rollout beside another Deployment that stays': scenario(
    history => history.rollOut('web', b),
    history => history.deploy('other', { ...a, hash: 'xxx' }),
  ),
  'a canary of the next version, and then the rollout': scenario(history => {
    history.deploy('canary', { ...b, hash: 'ddd' })
    history.rollOut('web', b)
    history.remove('canary')
  }),
  'a canary that is taken back': scenario(history => {
    history.deploy('canary', { ...b, hash: 'ddd' })
    history.scale('canary', 0)
  }),
  'the Service is switched to another Deployment': scenario(history => {
    history.select({ deployment: 'web' })
    history.deploy('green', { ...b, hash: 'ggg' })
    history.select({ deployment: 'green' })
  }),
  'a Deployment that is deleted and made again': scenario(history => {
    history.remove('web')
    history.deploy('web', a)
  }),
  'a Deployment that is deleted and made again with another version': scenario(history => {
    history.remove('web')
    history.deploy('web', b)
  }),
  'a Deployment that is deleted and made again, and then a rollout': scenario(history => {
    history.remove('web')
    history.deploy('web', a)
    history.rollOut('web', b)
  }),
}

function scenario(
  happens: (history: History) => void,
  before: (history: History) => void = () => {},
): Setting {
  const history = createHistory()
  history.deploy('web', a)
  before(history)
  happens(history)
  return { snapshots: history.snapshots }
}
