import t from 'tap'
import { readStaticConfig } from '../../../sidecar/static/config.ts'

t.test('a folder is all that it needs', async t => {
  t.same(readStaticConfig({ SPA_ROOT: '/files' }), {
    root: '/files',
    maxBytes: 64 * 1024 * 1024,
    basePath: '/',
    port: 8080,
    listenAddress: undefined,
    drainMs: 25_000,
  })
})

t.test('what Kubernetes says of a Service that is named spa is not meant for us', async t => {
  const links = {
    SPA_PORT: 'tcp://10.96.0.1:80',
    SPA_PORT_80_TCP: 'tcp://10.96.0.1:80',
    SPA_SERVICE_PORT: '80',
  }
  t.equal(readStaticConfig({ SPA_ROOT: '/files', ...links }).port, 8080)
})

t.test('a variable that is missing or wrong is named', async t => {
  t.throws(() => readStaticConfig({}), { message: /SPA_ROOT/ })
  const wrong = {
    SPA_ROOT_MIB: ['0', '64Mi', '5000'],
    SPA_BASE_PATH: ['shop', '/shop', 'shop/', '//', '/a//b/', '/../', '/.a/', '/a b/', '/a?b/', '/a/..'],
    SPA_PORT: ['http', '0', '65536'],
    SPA_LISTEN_ADDRESS: ['localhost'],
    SPA_DRAIN_SEC: ['-1', '25s'],
  }
  for (const [name, values] of Object.entries(wrong))
    for (const value of values)
      t.throws(
        () => readStaticConfig({ SPA_ROOT: '/files', [name]: value }),
        { message: new RegExp(name) },
        value,
      )
  t.equal(readStaticConfig({ SPA_ROOT: '/files', SPA_BASE_PATH: '/a/b.c/' }).basePath, '/a/b.c/')
})
