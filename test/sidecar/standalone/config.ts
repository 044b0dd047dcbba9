import t from 'tap'
import { readStandaloneConfig } from '../../../sidecar/standalone/config.ts'

t.test('without any variable it is as the original was', async t => {
  t.same(readStandaloneConfig({}), {
    namespace: 'default',
    name: '',
    self: '',
    relistMs: 30_000,
    port: 8080,
    adminPort: 14021,
    listenAddress: undefined,
    origins: undefined,
    expose: 'image',
    drainMs: 25_000,
    maxTabs: 20_000,
    maxHandshakes: 2_000,
    memoryMib: undefined,
    heartbeatMs: 25_000,
    maxAgeMs: 3_600_000,
  })
})

t.test('what is empty is unset', async t => {
  const names = ['NAMESPACE', 'NAME', 'RESYNC_SEC', 'WEBSOCKET_PORT', 'ORIGINS', 'LISTEN_ADDRESS', 'EXPOSE']
  const empty = Object.fromEntries(names.map(name => [`SPA_${name}`, '']))
  t.same(readStandaloneConfig(empty), readStandaloneConfig({}))
})

t.test('every variable is read', async t => {
  const config = readStandaloneConfig({
    SPA_NAMESPACE: 'toucan',
    SPA_NAME: 'spa',
    SPA_RESYNC_SEC: '0',
    SPA_WEBSOCKET_PORT: '8090',
    SPA_ORIGINS: 'https://shop.example, http://localhost:5173',
    SPA_ADMIN_PORT: '9000',
    HOSTNAME: 'spa-reloader-6c487dcc49-x7x2p',
  })
  t.match(config, { namespace: 'toucan', name: 'spa', relistMs: 0, port: 8090, adminPort: 9000 })
  t.same(config.origins, ['https://shop.example', 'http://localhost:5173'])
  t.equal(config.self, 'spa-reloader')
})

t.test(
  'a variable that is wrong is named, also where the original took another value without a word',
  async t => {
    const wrong = {
      SPA_NAMESPACE: ['A b'],
      SPA_NAME: ['Web'],
      SPA_RESYNC_SEC: ['30s', '-1', '1.5'],
      SPA_WEBSOCKET_PORT: ['http', '0', '65536', '14021'],
      SPA_ORIGINS: ['shop.example', 'https://shop.example/', '*', 'any,https://shop.example'],
      SPA_EXPOSE: ['none'],
    }
    for (const [name, values] of Object.entries(wrong))
      for (const value of values)
        t.throws(
          () => readStandaloneConfig({ [name]: value }),
          { message: new RegExp(name) },
          `${name}=${value}`,
        )
  },
)
