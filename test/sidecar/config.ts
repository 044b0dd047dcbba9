import t from 'tap'
import { readConfig, readMode, readRunDir } from '../../sidecar/config.ts'
import type { Config } from '../../sidecar/config.ts'

const given = {
  SPA_NAMESPACE: 'shop',
  SPA_NAME: 'web',
  SPA_HASH: '6c487dcc49',
  SPA_POD_IP: '10.0.0.7',
  SPA_APP_PORT: '8080',
}

t.test('what injection must set is enough, and the rest has its default', async t => {
  const config = readConfig(given)
  t.same(config, {
    namespace: 'shop',
    name: 'web',
    hash: '6c487dcc49',
    podIPs: ['10.0.0.7'],
    appPort: 8080,
    frontPort: 14020,
    adminPort: 14021,
    capture: 'name',
    listenAddress: undefined,
    podDir: '/etc/spa-reloader/pod',
    runDir: '/run/spa-reloader',
    feed: 'downward',
    expose: 'image',
    forwarded: 'add',
    revalidate: 'add',
    missing: 'refuse',
    page: 'plain',
    accessLog: 'off',
    cacheBytes: 16 * 1024 * 1024,
    maxConnections: 10_000,
    memoryMib: undefined,
    maxHeadBytes: 64 * 1024,
    maxHeadLines: 200,
    headMs: 15_000,
    maxBufferBytes: 64 * 1024,
    maxAwaited: 64,
    drainMs: 25_000,
    maxTabs: 6_000,
    maxHandshakes: 2_000,
    heartbeatMs: 25_000,
    maxAgeMs: 3_600_000,
  })
  t.ok(Object.isFrozen(config))
  t.equal(readRunDir({ SPA_RUN_DIR: '/tmp/run' }), '/tmp/run')
})

/** Every variable with another value than its default. */
const changed = {
  ...given,
  SPA_POD_IP: 'fd00::7,10.0.0.7',
  SPA_FRONT_PORT: '14030',
  SPA_ADMIN_PORT: '14031',
  SPA_CAPTURE: 'env',
  SPA_LISTEN_ADDRESS: '127.0.0.1',
  SPA_POD_DIR: '/tmp/pod',
  SPA_RUN_DIR: '/tmp/run',
  SPA_FEED: 'watch',
  SPA_EXPOSE: 'id',
  SPA_FORWARDED: 'off',
  SPA_REVALIDATE: 'off',
  SPA_MISSING: 'off',
  SPA_PAGE: 'stamp',
  SPA_ACCESS_LOG: 'json',
  SPA_CACHE_MIB: '0',
  SPA_MAX_CONNECTIONS: '7',
  SPA_MEMORY_MIB: '0',
  SPA_MAX_HEAD_KIB: '8',
  SPA_MAX_HEAD_LINES: '50',
  SPA_HEAD_SEC: '2',
  SPA_BUFFER_KIB: '4',
  SPA_MAX_PIPELINED: '1',
  SPA_DRAIN_SEC: '0',
  SPA_MAX_TABS: '5',
  SPA_MAX_HANDSHAKES: '6',
  SPA_HEARTBEAT_SEC: '1',
  SPA_MAX_AGE_SEC: '60',
}
/** What has no default. */
const required = new Set(['namespace', 'name', 'hash', 'appPort'])

t.test('every option is read', async t => {
  const config = readConfig(changed)
  const standard = readConfig(given)
  for (const [name, value] of Object.entries(config))
    if (!required.has(name))
      t.not(value, standard[name as keyof Config], `${name} has a value of its own here`)
  t.match(config, {
    podIPs: ['fd00::7', '10.0.0.7'],
    frontPort: 14030,
    adminPort: 14031,
    listenAddress: '127.0.0.1',
  })
  t.match(config, {
    podDir: '/tmp/pod',
    runDir: '/tmp/run',
    feed: 'watch',
    expose: 'id',
    forwarded: 'off',
    drainMs: 0,
  })
  t.match(config, {
    revalidate: 'off',
    missing: 'off',
    page: 'stamp',
    accessLog: 'json',
    cacheBytes: 0,
    maxConnections: 7,
  })
  t.match(config, {
    maxHeadBytes: 8_192,
    maxHeadLines: 50,
    headMs: 2_000,
    maxBufferBytes: 4_096,
    maxAwaited: 1,
  })
  t.match(config, { maxTabs: 5, maxHandshakes: 6, memoryMib: 0, heartbeatMs: 1_000, maxAgeMs: 60_000 })
  t.equal(readConfig({ ...given, SPA_LISTEN_ADDRESS: '' }).listenAddress, undefined, 'empty is unset')
})

t.test('who lets in more tabs has connections for them, and for requests beside them', async t => {
  const connections = (tabs: string) => readConfig({ ...given, SPA_MAX_TABS: tabs }).maxConnections
  t.equal(connections('100'), 10_000)
  t.equal(connections('20000'), 24_000)
  t.equal(connections('1000000'), 1_000_000)
})

t.test('a variable that is missing is named', async t => {
  for (const name of Object.keys(given)) {
    t.throws(
      () => readConfig({ ...given, [name]: undefined }),
      { message: new RegExp(name) },
      `${name} unset`,
    )
    t.throws(() => readConfig({ ...given, [name]: '' }), { message: new RegExp(name) }, `${name} empty`)
  }
})

t.test('a variable that is wrong is named', async t => {
  const wrong = {
    SPA_NAME: ['Web', 'a"b', 'a b', `a${'b'.repeat(300)}`],
    SPA_HASH: ['6c"', '-'],
    SPA_POD_IP: ['localhost', '10.0.0', '10.0.0.7:80', '10.0.0.7,', 'fd00::7, 10.0.0.7'],
    SPA_APP_PORT: ['0', '65536', '80a', '-1', '1e3', ' 80', '14020', '14021'],
    SPA_FRONT_PORT: ['x'],
    SPA_ADMIN_PORT: ['0', '14020'],
    SPA_LISTEN_ADDRESS: ['everywhere'],
    SPA_FEED: ['Watch', 'file'],
    SPA_EXPOSE: ['none'],
    SPA_FORWARDED: ['on'],
    SPA_ACCESS_LOG: ['on'],
    SPA_MAX_CONNECTIONS: ['0'],
    SPA_MEMORY_MIB: ['-1', '1Gi'],
    SPA_MAX_HEAD_KIB: ['0', '64k', '1025'],
    SPA_MAX_HEAD_LINES: ['9'],
    SPA_HEAD_SEC: ['0', '301'],
    SPA_BUFFER_KIB: ['3'],
    SPA_MAX_PIPELINED: ['0'],
    SPA_DRAIN_SEC: ['-1', '2.5', '10s'],
    SPA_MAX_TABS: ['0'],
    SPA_MAX_HANDSHAKES: ['0', '2k'],
    SPA_HEARTBEAT_SEC: ['0', '301'],
    SPA_MAX_AGE_SEC: ['0'],
  }
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      t.throws(
        () => readConfig({ ...given, [name]: value }),
        { message: new RegExp(name) },
        `${name}=${value}`,
      )
    }
  }
})

t.test('without a mode it is a Deployment of its own, as the original was', async t => {
  t.equal(readMode({}), 'standalone')
  t.equal(readMode({ SPA_MODE: '' }), 'standalone')
  t.equal(readMode({ SPA_MODE: 'sidecar' }), 'sidecar')
  t.equal(readMode({ SPA_ROOT: '/files' }), 'static', 'or it has files to serve')
  t.equal(readMode({ SPA_MODE: 'static' }), 'static')
  t.throws(() => readMode({ SPA_MODE: 'SIDECAR' }), { message: /SPA_MODE/ })
  t.throws(() => readMode({ SPA_MODE: 'standalone', SPA_ROOT: '/files' }), {
    message: 'SPA_ROOT is not for SPA_MODE standalone',
  })
})
