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
const isRequired = process.env.SPA_TEST_REQUIRE === '1'
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
const helm = join(cache, `helm-${versionIn('.ci/helm')}/helm`)
const wstest = join(cache, 'autobahn-25.10.1/bin/wstest')
const onNode = [...namespaces, ...containers, ...nodePrograms]
const node = ['root', ...controlPlane, ...onNode, ...imageBuilding, ...browsers, ...apps]
const withoutTier = /^test\/(autobahn|chart|cluster|pages|peers|tier\d)\//
const unitTests = testsIn('test').filter(file => !withoutTier.test(file))
const nodeTests = testsIn('test/tier3')
const underLoad = ['test/tier3/load.ts', 'test/tier3/torture.ts'] // each needs the machine for itself

/**
 * One after the other. The files of a round run beside each other, `jobs` at a time, more than two processors where they wait more than they compute;
 * a file may take `seconds`.
 */
const rounds = [
  { jobs: 3, parts: [{ tier: '1', name: 'tier 1', needs: [], files: unitTests }] },
  {
    jobs: 3,
    seconds: 600,
    parts: [
      { tier: '2', name: 'pages in Chromium', needs: ['chromium'], files: testsIn('test/pages') },
      // It runs on Python 2.7, which not every machine can have.
      { tier: '1', name: 'Autobahn', needs: [wstest], files: testsIn('test/autobahn'), isOptional: true },
      { tier: '1', name: 'tier 1 beside other servers', needs: peers, files: testsIn('test/peers') },
      { tier: '1', name: 'the chart', needs: [...controlPlane, helm], files: testsIn('test/chart') },
    ],
  },
  {
    jobs: 3,
    run: inImage,
    parts: [{ tier: '1', name: 'tier 1 in the image', needs: ['root', ...imageBuilding], files: unitTests }],
  },
  {
    jobs: 3,
    seconds: 1_500,
    parts: [
      { tier: '2', name: 'tier 2', needs: [...controlPlane, 'chromium'], files: testsIn('test/tier2') },
    ],
  },
  {
    jobs: 2,
    seconds: 1_500,
    parts: [
      { tier: '3', name: 'tier 3', needs: node, files: nodeTests.filter(file => !underLoad.includes(file)) },
    ],
  },
  {
    jobs: 1,
    seconds: 1_500,
    parts: [{ tier: '3', name: 'tier 3 under load', needs: node, files: underLoad }],
  },
]

for (const { parts, jobs, seconds = 300, run = tap } of rounds) {
  const able = parts.filter(({ tier }) => wanted.includes(tier)).filter(isAble)
  if (able.length === 0) continue
  const start = Date.now()
  const files = able.flatMap(({ files }) => files)
  const { passed, failed } = await run(files, [`--jobs=${jobs}`, `--timeout=${seconds}`]).catch(error => {
    console.log(error)
    return { passed: 0, failed: 1 }
  })
  total.passed += passed
  total.failed += failed
  const names = able.map(({ name }) => name).join(', ')
  const took = ((Date.now() - start) / 1_000).toFixed(0)
  console.log(`${names}: ${passed} passed, ${failed} failed in ${took} s`)
}
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0

/** Whether the machine has what the part needs. What it lacks fails the run where all must run, and is told everywhere. */
function isAble({ name, needs, isOptional = false }) {
  const missing = needs.filter(need => !isThere(need))
  if (missing.length === 0) return true
  const mustRun = isRequired && !isOptional
  if (mustRun) total.failed++
  const outcome = mustRun ? 'failed' : 'skipped'
  console.log(`${name} ${outcome}: needs ${missing.join(', ')}; .ci/run installs them`)
  return false
}

/** Tier 1 on the Node, the C library and the packages of our images. What it writes to the checkout is dropped. */
async function inImage(files, options) {
  const store = [`--root=${cache}/images`, `--runroot=${cache}/images-run`, '--storage-driver=overlay']
  const image = output(join(checkout, '.ci/base-image'))
  const descriptors = output('sh', '-c', 'ulimit -Hn') // buildah's own limit is 1,024
  const limits = ['--ulimit', `nofile=${descriptors}:${descriptors}`]
  const container = output('buildah', ...store, 'from', '--pull-never', ...limits, image)
  try {
    const run = ['run', '--isolation', 'chroot', '--workingdir', '/work', '--volume', `${checkout}:/work:O`]
    return await tap(files, options, ['buildah', ...store, ...run, container, '--'])
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
      if (skip ? isRequired : not) counts.failed++
      else if (!skip) counts.passed++
    }
    if (indent !== undefined) isDiagnosis = not !== undefined
    const isRemark = /^ {8,}# (?!Subtest|time=)/.test(line)
    if (isDiagnosis || indent === '' || skip || isRemark) console.log(line)
    if (/^ *\.\.\.$/.test(line)) isDiagnosis = false
  }
  return counts
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
