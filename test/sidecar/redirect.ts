// Without the rule of redirect/rules.nft, which takes a network of its own: test/tier3/redirect.ts has it.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { keepRedirect } from '../../sidecar/redirect.ts'

t.test('where there is no rule that is said once, and no more datagrams come', async t => {
  const logged: unknown[] = []
  const app = createSocket('udp4')
  t.teardown(() => app.close())
  let datagrams = 0
  app.on('message', () => datagrams++)
  app.bind(0, '127.0.0.1')
  await once(app, 'listening')
  const { port } = app.address()
  let isListening = false
  const redirect = keepRedirect({
    port,
    isListening: () => isListening,
    log: (message, fields) => void logged.push({ message, ...fields }),
    beatMs: 10,
  })
  t.teardown(redirect.close)
  await redirect.renew()
  t.equal(redirect.isMissing(), false, 'while the front does not listen there is nothing to renew')
  isListening = true
  await redirect.renew()
  t.equal(redirect.isMissing(), true)
  while (datagrams === 0) await once(app, 'message')
  for (let turn = 0; turn < 5; turn++) await redirect.renew()
  t.match(logged, [{ message: 'no redirect: nothing passes the sidecar', code: 'redirect_missing', port }])
  t.equal(logged.length, 1)
  redirect.close()
  await redirect.renew()
})
