// The redirect in a network namespace with two addresses, IPv4 and IPv6, which our node's network has not: the init container's rules, and the
// sidecar without any privilege. Who comes from outside is the kubelet and everybody else.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { run, startProgram } from '../cluster/process.ts'
import type { Program } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'
import { podEnvironment } from '../sidecar/pod-environment.ts'

const name = `spa${process.pid}`
const [outside, inside] = [`${name}o`, `${name}i`]
const ipv4 = '10.99.7.2'
const ipv6 = 'fd99:7::2'
const hosts = [ipv4, `[${ipv6}]`]
const port = 8080
const dir = mkdtempSync(join(tmpdir(), 'spa-redirect-'))
const inPod = ['netns', 'exec', name]

await ip('netns add', name)
t.teardown(async () => {
  await ip('netns del', name) // and with it both ends of the link
  rmSync(dir, { recursive: true, force: true })
})
await ip('link add', outside, 'type veth peer name', inside, 'netns', name)
await ip('addr add 10.99.7.1/24 dev', outside)
await ip('addr add fd99:7::1/64 dev', outside, 'nodad')
await ip('link set', outside, 'up')
await ip('-n', name, 'link set lo up')
await ip('-n', name, `addr add ${ipv4}/24 dev`, inside)
await ip('-n', name, `addr add ${ipv6}/64 dev`, inside, 'nodad')
await ip('-n', name, 'link set', inside, 'up')

t.test('without the rules the sidecar serves nobody, and says so', async t => {
  await startApp(t)
  const sidecar = await startSidecar(t, 'none')
  t.match(await passes(), { [hosts[0]!]: false, [hosts[1]!]: false })
  t.match(await metrics(), /^spa_reloader_front_passive 1$/m)
  await sidecar.stop()
})

t.test('what comes from outside passes the sidecar while there is one', async t => {
  for (let times = 0; times < 2; times++)
    t.match(await setRules(), /is led to 14020/, 'set again, it is the same')
  const app = await startApp(t)
  t.match(
    await passes(),
    { [hosts[0]!]: false, [hosts[1]!]: false },
    'before it has come the app has its traffic itself',
  )
  const sidecar = await startSidecar(t, 'first')
  t.match(await passes(), { [hosts[0]!]: true, [hosts[1]!]: true })
  await sleep(4_000) // longer than one datagram counts
  await until('the sidecar', async () => Object.values(await passes()).every(Boolean))
  t.match(await metrics(), /^spa_reloader_front_passive 0$/m)
  for (const host of ['127.0.0.1', ...hosts])
    t.equal(await fromInside(host), 'app', 'what the pod sends to itself goes to the app')

  await t.test('killed without a word, it leaves the traffic to the app', async t => {
    await sidecar.stop()
    await until('the app', async () => Object.values(await passes()).every(isPassed => !isPassed), 30)
    await startSidecar(t, 'second')
    t.match(await passes(), { [hosts[0]!]: true, [hosts[1]!]: true }, 'until it is back')
  })

  await t.test('when the app has gone nobody answers for it', async t => {
    await app.stop()
    await until('a refusal', async () => {
      const answers = await Promise.allSettled(hosts.map(fetchFrom))
      return answers.every(({ status }) => status === 'rejected')
    })
    await sleep(4_000)
    for (const host of hosts) await t.rejects(fetchFrom(host), 'nor when the redirect has lapsed')
  })
})

interface Host {
  teardown(end: () => unknown): void
}

async function startApp(t: Host): Promise<Program> {
  const script = `require('http').createServer((_, r) => r.setHeader('content-type', 'text/html').end('app')).listen(${port}, '::')`
  const app = startProgram('ip', [...inPod, process.execPath, '-e', script], { log: join(dir, 'app.log') })
  t.teardown(() => app.stop())
  await until('the app', async () => (await fetchFrom(ipv4)).ok)
  return app
}

/** Resolves once it is ready. */
async function startSidecar(t: Host, log: string): Promise<Program> {
  const bare = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs']
  const { SPA_LISTEN_ADDRESS: _, ...environment } = podEnvironment(dir, ipv4, port)
  const sidecar = startProgram('ip', [...inPod, ...bare, process.execPath, 'dist/sidecar.js'], {
    log: join(dir, log),
    env: { ...environment, SPA_CAPTURE: 'redirect', SPA_DRAIN_SEC: '0' },
  })
  t.teardown(() => sidecar.stop())
  await until('the sidecar', async () => (await fetch(`http://${ipv4}:14021/readyz`)).ok)
  return sidecar
}

function setRules(): Promise<string> {
  const environment = [`SPA_APP_PORT=${port}`, 'SPA_FRONT_PORT=14020']
  return ip(...inPod, 'env', ...environment, 'redirect/redirect.sh')
}

/** By address: whether a page passes the front on its way here. */
async function passes(): Promise<Record<string, boolean>> {
  const answers = hosts.map(
    async host => [host, (await fetchFrom(host)).headers.has('server-timing')] as const,
  )
  return Object.fromEntries(await Promise.all(answers))
}

/** On a connection of its own: one that is there already keeps its way. */
function fetchFrom(host: string): Promise<Response> {
  return fetch(`http://${host}:${port}/`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(2_000),
  })
}

async function fromInside(host: string): Promise<string> {
  const script = `fetch('http://${host}:${port}/').then(r => console.log(r.headers.has('server-timing') ? 'front' : 'app'))`
  return (await ip(...inPod, process.execPath, '-e', script)).trim()
}

async function metrics(): Promise<string> {
  return (await fetch(`http://${ipv4}:14021/metrics`)).text()
}

/** Words are split at blanks, but a program's arguments, which come after the first, are not. */
function ip(...words: string[]): Promise<string> {
  return run(
    'ip',
    words[0] === 'netns' && words[1] === 'exec' ? words : words.flatMap(word => word.split(' ')),
  )
}
