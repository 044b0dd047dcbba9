import { delimiter, join } from 'node:path'
import t from 'tap'
import { createApi } from '../../release/api.ts'
import { loadKubeConfig } from '../../release/kubeconfig.ts'

/** One cluster, user and context of that name. */
function fileOf(name: string, current: string | undefined, cluster = name) {
  return JSON.stringify({
    clusters: [{ name: cluster, cluster: { server: `https://${name}.example:6443` } }],
    users: [{ name: 'me', user: { token: `of-${name}` } }],
    contexts: [{ name, context: { cluster, user: 'me', namespace: name } }],
    ...(current !== undefined && { 'current-context': current }),
  })
}

const before = { ...process.env }
t.afterEach(() => void (process.env = { ...before }))

t.test('the configuration comes from KUBECONFIG, and without any the process is told so', async t => {
  const dir = t.testdir({ config: fileOf('kube', 'kube') })
  process.env.HOME = join(dir, 'nobody')
  process.env.KUBECONFIG = join(dir, 'config')
  t.equal(loadKubeConfig().getCurrentCluster()?.server, 'https://kube.example:6443')
  delete process.env.KUBECONFIG
  t.throws(() => createApi(loadKubeConfig), /which cluster/)
})

t.test('of several files the first that says something stands, as for kubectl', async t => {
  const dir = t.testdir({
    none: '',
    first: fileOf('staging', undefined),
    second: fileOf('live', 'live'),
    third: fileOf('old', 'old', 'live'),
  })
  process.env.KUBECONFIG = ['none', 'absent', 'first', 'second', 'third']
    .map(file => join(dir, file))
    .join(delimiter)
  const config = loadKubeConfig()
  t.equal(config.getCurrentContext(), 'live', 'the first that names one')
  t.equal(config.getCurrentCluster()?.server, 'https://live.example:6443')
  t.equal(config.getCurrentUser()?.token, 'of-staging', 'a name that comes again is the first file’s')
  t.same(
    config.getContexts().map(({ name }) => name),
    ['staging', 'live', 'old'],
  )
})

t.test('an entry that is not complete is no matter where another one is meant', async t => {
  const whole = JSON.parse(fileOf('live', 'live')) as { contexts: unknown[] }
  const dir = t.testdir({
    config: JSON.stringify({ ...whole, contexts: [{ name: 'new', context: {} }, ...whole.contexts] }),
  })
  process.env.KUBECONFIG = join(dir, 'config')
  t.equal(loadKubeConfig().getCurrentCluster()?.server, 'https://live.example:6443')
})
