// Many labelled namespaces: the webhook keeps five watches for each, of 150 KiB where every one had a connection of its own.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import t from 'tap'
import { install } from './installation.ts'

const count = 150
const maxSockets = 64 // requests may keep 32 of them

t.test('a labelled namespace takes no connection of its own', async t => {
  const { cluster, webhookPid, open } = await install(t)
  const folder = `/proc/${webhookPid()}`
  const memory = () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`${folder}/status`, 'utf8'))?.[1])
  const sockets = () =>
    readdirSync(`${folder}/fd`).filter(fd => readlinkSync(`${folder}/fd/${fd}`).startsWith('socket:')).length
  await open(t, 'first')
  const before = memory()
  for (let n = 0; n < count; n++) {
    const metadata = { name: `many-${n}`, labels: { 'spa-reloader.io/inject': 'enabled' } }
    await cluster.api('POST', '/api/v1/namespaces', { metadata })
  }
  await open(t, 'last')
  t.comment(`${((memory() - before) / count).toFixed(0)} KiB for each, garbage included`)
  t.ok(sockets() <= maxSockets, `${sockets()} sockets`)
})
