// `spa-reloader console` with a kubectl of the test's own in the PATH: what it runs, and what it does when that ends.

import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { openConsole } from '../../cli/console.ts'

const options = { systemNamespace: 'spa-reloader', context: 'prod', port: 9000 }
const webhookPod = (name: string, ready: boolean, more = {}) => ({
  metadata: { name, namespace: 'spa-reloader', ...more },
  status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
})
const path = process.env.PATH

function withKubectl(script: string): void {
  const dir = mkdtempSync(join(tmpdir(), 'spa-kubectl-'))
  writeFileSync(join(dir, 'kubectl'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(dir, 'kubectl'), 0o755)
  process.env.PATH = `${dir}:${path}`
  t.teardown(() => (process.env.PATH = path))
}

t.test('it forwards to a pod that is ready, and to another one when that is gone', async t => {
  withKubectl(
    'echo "Forwarding from 127.0.0.1:9000 -> 8090"; echo "$@"; echo "lost connection to pod" >&2; sleep 0.1',
  )
  const ending = new AbortController()
  const said: string[] = []
  let asked = 0
  await openConsole(
    {
      async list(path, query) {
        t.equal(path, '/api/v1/namespaces/spa-reloader/pods')
        t.match(query?.labelSelector, 'component=webhook')
        asked += 1
        const going = webhookPod('a', true, asked > 1 ? { deletionTimestamp: '2026-11-28T02:00:00Z' } : {})
        return [webhookPod('new', false), going, ...(asked > 2 ? [webhookPod('b', true)] : [])]
      },
    },
    options,
    line => {
      said.push(line)
      if (line.includes('pod b)')) ending.abort()
    },
    ending.signal,
  )
  t.same(said, [
    'console at http://127.0.0.1:9000/ (pod a)',
    'the way to pod a is gone: lost connection to pod',
    'no webhook pod in spa-reloader is ready: waiting for one',
    'console at http://127.0.0.1:9000/ (pod b)',
  ])
})

t.test('what kubectl refuses again and again is said', async t => {
  withKubectl('echo "error: unable to listen on any of the requested ports" >&2; exit 1')
  const list = async () => [webhookPod('a', true)]
  await t.rejects(
    openConsole({ list }, options, () => {}, new AbortController().signal),
    /unable to listen/,
  )
})

t.test('without kubectl it says so', async t => {
  process.env.PATH = '/nowhere'
  t.teardown(() => (process.env.PATH = path))
  const list = async () => [webhookPod('a', true)]
  await t.rejects(
    openConsole({ list }, options, () => {}, new AbortController().signal),
    /kubectl is not in the PATH/,
  )
})
