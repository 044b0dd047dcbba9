// The demo as somebody runs it: the bundles, in a folder like the checkout's. The folder is the test's own, so that its processes can be told.

import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'

const checkout = join(import.meta.dirname, '../..')
const canSeeProcesses = existsSync('/proc/self/cmdline')
const slowCheck = ['--check', '250'] // on a machine that has much else to do; else it takes ten seconds

t.test('--check sees four rollouts told, and leaves nothing behind', async t => {
  const demo = start(t, slowCheck)
  const code = await demo.ended
  const said = demo.lines.join('\n')
  t.equal(code, 0, said)
  t.match(demo.lines, [
    /^ok {2}first version {2}.*web:1 /,
    /^ok {2}rollout {8}.*web:2 .*its pod having sent it/,
    /^ok {2}rollback {7}.*web:1 /,
    /^ok {2}re-pushed tag {2}.*web:1 /,
    /^all told/,
  ])
  const digests = demo.lines.slice(0, 4).map(line => /sha256:(\w+)/.exec(line)?.[1])
  t.equal(digests[2], digests[0], 'a rollback is the version before')
  t.not(digests[3], digests[2], 'a re-pushed tag is another')
  t.same(demo.processes(), [])
  t.same(demo.leftFiles(), [])
})

t.test('--check fails and says why when the sidecar does not run', async t => {
  const demo = start(t, slowCheck, dist => writeFileSync(join(dist, 'sidecar.js'), 'throw "corrupt"'))
  t.equal(await demo.ended, 1)
  t.match(
    demo.lines.join('\n'),
    /^not ok {2}first version: revision 1 was not heard.*\n {2}because the container spa-reloader of web-.* does not stay up\n(.*\n)*.*corrupt/,
  )
  t.same(demo.processes(), [])
  t.same(demo.leftFiles(), [])
})

t.test('--check fails and says why when the webhook does not run', async t => {
  const demo = start(t, slowCheck, dist => writeFileSync(join(dist, 'webhook.js'), 'throw "corrupt"'))
  t.equal(await demo.ended, 1)
  t.match(demo.lines.join('\n'), /^not ok {2}the webhook ended with 1\n(.*\n)*.*corrupt/)
})

t.test('a bundle that was not built is named at once', async t => {
  const demo = start(t, slowCheck, dist => rmSync(join(dist, 'sidecar.js')))
  t.equal(await demo.ended, 1)
  t.match(demo.lines.join('\n'), /not built: .*sidecar\.js/)
})

t.test('a flag that does not exist is refused', async t => {
  for (const flags of [['--chekc'], ['--check', 'soon'], ['--check', '9', '9']]) {
    const demo = start(t, flags)
    t.equal(await demo.ended, 2)
    t.match(demo.lines, [/^usage:/])
  }
})

t.test('without a terminal it runs until it is stopped, and says how', async t => {
  const demo = start(t)
  await demo.says(/^open http:\/\/localhost:\d+ /)
  const line = await demo.says(/^no terminal, so no keys; stop it with: kill /)
  t.equal(line.split(' ').at(-1), String(demo.pid))
  await demo.says(/^release .* revision 1 ready/)
  process.kill(demo.pid, 'SIGTERM')
  t.equal(await demo.ended, 0)
  t.same(demo.processes(), [])
  t.same(demo.leftFiles(), [])
})

t.test(
  'its programs end with it, even when it is killed',
  { skip: !canSeeProcesses && 'there is no /proc' },
  async t => {
    const demo = start(t)
    await demo.says(/^kubelet .* is ready/)
    t.ok(demo.processes().length >= 3, 'the demo, the webhook and a sidecar')
    process.kill(demo.pid, 'SIGKILL')
    await demo.ended
    while (demo.processes().length > 0) await sleep(20)
    t.pass('all gone')
  },
)

/** `change` may spoil the bundles before the start. */
function start(t: Test, flags: string[] = [], change: (dist: string) => void = () => {}) {
  const root = t.testdir({})
  const dist = join(root, 'dist')
  if (!existsSync(join(checkout, 'dist/demo.js'))) throw new Error('dist/demo.js is missing: npm run build')
  cpSync(join(checkout, 'dist'), dist, { recursive: true })
  for (const folder of ['manifests', 'demo']) symlinkSync(join(checkout, folder), join(root, folder))
  change(dist)
  const tmp = mkdtempSync(join(tmpdir(), 'spa-')) // t.testdir's path is too long for the unix sockets in it
  const child = spawn(process.execPath, [join(dist, 'demo.js'), ...flags], {
    env: { ...process.env, TMPDIR: tmp },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(tmp, { recursive: true, force: true })
  })
  const lines: string[] = []
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on('line', line => {
      lines.push(line)
      for (const look of listeners) look()
    })
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  return { pid: child.pid ?? 0, lines, ended, says, processes, leftFiles: () => readdirSync(tmp) }

  function says(wanted: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      listeners.add(look)
      void ended.then(() => reject(new Error(`it ended without ${wanted}:\n${lines.join('\n')}`)))
      look()

      function look(): void {
        const line = lines.find(line => wanted.test(line))
        if (line === undefined) return
        listeners.delete(look)
        resolve(line)
      }
    })
  }

  /** The command lines of what runs out of our folder. */
  function processes(): string[] {
    if (!canSeeProcesses) return []
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(readCommandLine)
      .filter(command => command.includes(dist))
  }
}

/** '' when the process has gone. */
function readCommandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}
