// What an app allows to its own machine only stays closed to the front's clients: the app sees the pod's address, never loopback.

import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { accepts } from '../../sidecar/front/listening.ts'
import { freePort } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'
import { openFront } from '../sidecar/front/stage.ts'
import { startNginx } from './nginx.ts'

/** An address of this machine as a pod has one. */
const podIP = Object.values(networkInterfaces())
  .flatMap(addresses => addresses ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address

t.test('nginx: allow 127.0.0.1', async t => {
  if (!podIP) throw new Error('this machine has no address but loopback')
  const port = await freePort()
  await startNginx(t, folder => {
    for (const name of ['open', 'local']) writeSite(join(folder, name), name)
    return `server {
      listen ${port}; root ${folder};
      location /open/ {}
      location /local/ { allow 127.0.0.0/8; allow ::1; deny all; }
    }`
  })
  await listens(podIP, port)
  t.same(await statuses('127.0.0.1', port, ['/open/', '/local/']), [200, 200], 'from its own machine')
  const front = await openFront(t, port, { app: { hosts: [podIP], port }, edits: { forwarded: 'add' } })
  t.same(await statuses('127.0.0.1', front.port, ['/open/', '/local/']), [200, 403], 'through the front')
})

t.test(
  'Apache: Require ip 127.0.0.1; its Require local also means the pod’s own address, and opens',
  async t => {
    if (!podIP) throw new Error('this machine has no address but loopback')
    const port = await freePort()
    await startApache(t, port)
    const paths = ['/open/', '/ip/', '/local/']
    t.same(await statuses('127.0.0.1', port, paths), [200, 200, 200], 'from its own machine')
    const { port: front } = await openFront(t, port, {
      app: { hosts: [podIP], port },
      listen: { address: podIP, port: 0 },
      edits: { forwarded: 'add' },
    })
    // `Require local` is also true where the two ends of a connection have one address, and a sidecar has no other to dial from.
    t.same(await statuses(podIP, front, paths), [200, 403, 200], 'through the front')
  },
)

async function startApache(t: Test, port: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'apache-'))
  chmodSync(folder, 0o755)
  for (const name of ['open', 'ip', 'local']) writeSite(join(folder, name), name)
  const modules = ['mpm_event', 'authz_core', 'authz_host', 'dir']
  writeFileSync(
    join(folder, 'apache.conf'),
    `ServerRoot ${folder}
    ServerName a
    PidFile ${folder}/pid
    ErrorLog ${folder}/error.log
    Listen ${port}
    ${modules.map(name => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
    User www-data
    Group www-data
    DocumentRoot ${folder}
    DirectoryIndex index.html
    <Directory ${folder}/open>
      Require all granted
    </Directory>
    <Directory ${folder}/ip>
      Require ip 127.0.0.0/8 ::1
    </Directory>
    <Directory ${folder}/local>
      Require local
    </Directory>`,
  )
  const child = spawn('apache2', ['-D', 'FOREGROUND', '-f', join(folder, 'apache.conf')], {
    stdio: 'inherit',
  })
  const ended = new Promise(resolve => child.once('close', resolve))
  t.teardown(async () => {
    child.kill()
    await ended
    rmSync(folder, { recursive: true })
  })
  await listens(podIP!, port)
}

function writeSite(folder: string, text: string): void {
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.html'), text)
}

function statuses(host: string, port: number, paths: string[]): Promise<number[]> {
  return Promise.all(
    paths.map(
      path =>
        new Promise<number>((resolve, reject) => {
          let text = ''
          const client = connect(port, host)
          client.on('data', part => (text += String(part))).on('error', reject)
          client.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])))
          client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
        }),
    ),
  )
}

async function listens(host: string, port: number): Promise<void> {
  await until(`somebody to listen on ${host}:${port}`, () => accepts(host, port))
}
