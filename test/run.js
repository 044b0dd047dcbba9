// Runs the tests, tier by tier, and ends with one line that counts them: `N passed, N failed`.
//   1  everything but the folders below, on this Node, and again on the Node of our images; test/peers: other servers; test/chart: Helm
//   2  test/tier2: a real API server; test/pages: Chromium          3  test/tier3: a real node, our images, three browsers
// What a machine lacks for a tier skips the tier with a line that says so, or fails where SPA_TEST_REQUIRE=1 (as in CI).

import { execFileSync, spawn } from 'node:child_process'
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'

const checkout = join(import.meta.dirname, '..')
const wanted = (process.env.SPA_TEST_TIERS ?? '1,2,3').split(',')
const mustRun = process.env.SPA_TEST_REQUIRE === '1'
const cache =
  process.env.SPA_TEST_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'spa-reloader')
const total = { passed: 0, failed: 0 }

const peers = ['go', 'nginx', 'apache2']
const imageBuilding = ['buildah', 'debootstrap']
const controlPlane = [
  'setpriv',
  'etcd',
  ...kubernetes('kube-apiserver', 'kube-controller-manager', 'kubectl'),
]
const namespaces = ['unshare', 'nsenter', 'ip', 'iptables', 'conntrack', 'nft', '/usr/lib/cni/bridge']
const containers = ['containerd', 'runc', 'docker-registry', '/bin/busybox']
const nodePrograms = kubernetes('kube-scheduler', 'kubelet', 'kube-proxy')
const browsers = ['chromium', 'firefox-esr', 'WebKitWebDriver', 'Xvfb']
const apps = ['go', '/usr/sbin/nginx'] // that stand behind the front
const node = ['root', ...namespaces, ...containers, ...nodePrograms, ...imageBuilding, ...browsers, ...apps]
const tiers = [
  { tier: '1', name: 'tier 1', needs: [], run: () => tap(unitTests(), ['--jobs=2']) },
  {
    tier: '1',
    name: 'tier 1 beside other servers',
    needs: peers,
    run: () => tap(testsIn('test/peers'), ['--jobs=1']),
  },
  {
    tier: '1',
    name: 'the chart',
    needs: [...controlPlane, join(cache, `helm-${versionIn('.ci/helm')}/helm`)],
    run: () => tap(testsIn('test/chart'), ['--jobs=1']),
  },
  {
    tier: '1',
    name: 'Autobahn',
    needs: [join(cache, 'autobahn-25.10.1/bin/wstest')],
    isOptional: true, // it runs on Python 2.7, which not every machine can have
    run: () => tap(testsIn('test/autobahn'), ['--timeout=600']),
  },
  { tier: '1', name: 'tier 1 in the image', needs: ['root', ...imageBuilding], run: inImage },
  {
    tier: '2',
    name: "the console's pages",
    needs: ['chromium'],
    run: () => tap(testsIn('test/pages'), ['--jobs=1', '--timeout=600']),
  },
  { tier: '2', name: 'tier 2', needs: [...controlPlane, 'chromium'], run: () => cluster('test/tier2', 2) },
  { tier: '3', name: 'tier 3', needs: [...controlPlane, ...node], run: () => cluster('test/tier3', 1) },
]

for (const { tier, name, needs, run, isOptional = false } of tiers) {
  if (!wanted.includes(tier)) continue
  const missing = needs.filter(need => !isThere(need))
  if (missing.length > 0) {
    console.log(
      `${name} ${mustRun && !isOptional ? 'failed' : 'skipped'}: needs ${missing.join(', ')}; .ci/run installs them`,
    )
    if (mustRun && !isOptional) total.failed++
    continue
  }
  const start = Date.now()
  const { passed, failed } = await run().catch(error => {
    console.log(error)
    return { passed: 0, failed: 1 }
  })
  total.passed += passed
  total.failed += failed
  const seconds = ((Date.now() - start) / 1_000).toFixed(0)
  console.log(`${name}: ${passed} passed, ${failed} failed in ${seconds} s`)
}
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0

/** A test is a rollout or many. Control planes mostly wait; there is one node at a time, and it needs all of the machine. */
function cluster(folder, jobs) {
  return tap(testsIn(folder), [`--jobs=${jobs}`, '--timeout=1500'])
}

/** Tier 1 on the Node, the C library and the packages of our images. What it writes to the checkout is dropped. */
async function inImage() {
  const store = [`--root=${cache}/images`, `--runroot=${cache}/images-run`, '--storage-driver=overlay']
  const image = output(join(checkout, '.ci/base-image'))
  const files = output('sh', '-c', 'ulimit -Hn') // buildah's own limit is 1,024
  const limits = ['--ulimit', `nofile=${files}:${files}`]
  const container = output('buildah', ...store, 'from', '--pull-never', ...limits, image)
  try {
    const run = ['run', '--isolation', 'chroot', '--workingdir', '/work', '--volume', `${checkout}:/work:O`]
    return await tap(unitTests(), ['--jobs=2'], ['buildah', ...store, ...run, container, '--'])
  } finally {
    output('buildah', ...store, 'rm', container)
  }
}

function output(command, ...args) {
  return execFileSync(command, args, { encoding: 'utf8' }).trim()
}

/** Runs tap on the files, by way of the command `through` if there is one, and counts. */
async function tap(files, options, through = []) {
  if (files.length === 0) return { passed: 0, failed: 0 }
  const flags = ['run', '--disable-coverage', '--reporter=tap', ...options]
  const [command, ...args] = [...through, 'node', 'node_modules/tap/dist/esm/run.mjs', ...flags, ...files]
  const child = spawn(command, args, { cwd: checkout, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  const counts = await report(createInterface({ input: child.stdout }))
  // A file that crashed, or tap itself: there may be no test of it that could be counted.
  return (await ended) !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
}

/** Counts the tests in tap's output, and prints the files, what failed and what tests remark. */
async function report(lines) {
  const counts = { passed: 0, failed: 0 }
  let isDiagnosis = false
  for await (const line of lines) {
    const [, indent, not, skip] = /^( *)(not )?ok \d+.*?( # (?:SKIP|TODO).*)?$/.exec(line) ?? []
    const depth = (indent ?? '').length / 4 // files are at 0, what a file says at its top level, its tests, at 1
    if (depth === 1) {
      if (skip ? mustRun : not) counts.failed++
      else if (!skip) counts.passed++
    }
    if (indent !== undefined) isDiagnosis = not !== undefined
    const isRemark = /^ {8,}# (?!Subtest|time=)/.test(line)
    if (isDiagnosis || indent === '' || skip || isRemark) console.log(line)
    if (/^ *\.\.\.$/.test(line)) isDiagnosis = false
  }
  return counts
}

function unitTests() {
  return testsIn('test').filter(file => !/^test\/(autobahn|chart|cluster|pages|peers|tier\d)\//.test(file))
}

/** A file that imports tap's `t` is a test; the others are what tests share. */
function testsIn(folder) {
  return readdirSync(join(checkout, folder), { recursive: true })
    .map(name => join(folder, name))
    .filter(
      file =>
        file.endsWith('.ts') && /^import t\b.* from 'tap'$/m.test(readFileSync(join(checkout, file), 'utf8')),
    )
    .sort()
}

function kubernetes(...programs) {
  const version = versionIn('.ci/kubernetes')
  return programs.map(program => join(cache, `kubernetes-${version}`, program))
}

function versionIn(script) {
  return /^version=(.+)$/m.exec(readFileSync(join(checkout, script), 'utf8'))?.[1]
}

function isThere(need) {
  if (need === 'root') return process.getuid?.() === 0
  if (need.startsWith('/')) return isExecutable(need)
  return process.env.PATH.split(delimiter).some(folder => isExecutable(join(folder, need)))
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
