// Runs the tests, tier by tier, and ends with one line that counts them: `N passed, N failed`.
//   1  everything but the folders below, on this Node, and again on the Node of our images
//   2  test/tier2: a real API server          3  test/tier3: a real node, our images, a browser
// What a machine lacks for a tier skips the tier with a line that says so, or fails where SPA_TEST_REQUIRE=1 (as in CI).

import { execFileSync, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const checkout = join(import.meta.dirname, '..')
const wanted = (process.env.SPA_TEST_TIERS ?? '1,2,3').split(',')
const mustRun = process.env.SPA_TEST_REQUIRE === '1'
const cache =
  process.env.SPA_TEST_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'spa-reloader')
const work = mkdtempSync(join(tmpdir(), 'spa-tests-'))
const total = { passed: 0, failed: 0 }

const imageBuilding = ['buildah', 'debootstrap']
const controlPlane = [
  'setpriv',
  'etcd',
  ...kubernetes('kube-apiserver', 'kube-controller-manager', 'kubectl'),
]
const namespaces = ['unshare', 'nsenter', 'ip', 'iptables', 'conntrack', '/usr/lib/cni/bridge']
const containers = ['containerd', 'runc', 'docker-registry', '/bin/busybox']
const nodePrograms = kubernetes('kube-scheduler', 'kubelet', 'kube-proxy')
const node = ['root', ...namespaces, ...containers, ...nodePrograms, ...imageBuilding, 'chromium']
const tiers = [
  { tier: '1', name: 'tier 1', needs: [], run: () => tap(unitTests(), ['--jobs=2']) },
  { tier: '1', name: 'tier 1 in the image', needs: ['root', ...imageBuilding], run: inImage },
  { tier: '2', name: 'tier 2', needs: controlPlane, run: () => cluster('test/tier2') },
  { tier: '3', name: 'tier 3', needs: [...controlPlane, ...node], run: () => cluster('test/tier3') },
]

try {
  for (const { tier, name, needs, run } of tiers) {
    if (!wanted.includes(tier)) continue
    const missing = needs.filter(need => !isThere(need))
    if (missing.length > 0) {
      console.log(
        `${name} ${mustRun ? 'failed' : 'skipped'}: needs ${missing.join(', ')}; .ci/run installs them`,
      )
      if (mustRun) total.failed++
      continue
    }
    const start = Date.now()
    const { passed, failed } = await run()
    total.passed += passed
    total.failed += failed
    const seconds = ((Date.now() - start) / 1_000).toFixed(0)
    console.log(`${name}: ${passed} passed, ${failed} failed in ${seconds} s`)
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0

/** The clusters of two tests would fight for this machine's cores: one at a time. A test is a rollout or many. */
function cluster(folder) {
  return tap(testsIn(folder), ['--jobs=1', '--timeout=900'])
}

/** Tier 1 on the Node, the C library and the packages of our images. What it writes to the checkout is dropped. */
async function inImage() {
  const store = [`--root=${cache}/images`, `--runroot=${cache}/images-run`, '--storage-driver=overlay']
  const image = execFileSync(join(checkout, '.ci/base-image'), { encoding: 'utf8' }).trim()
  const container = execFileSync('buildah', [...store, 'from', '--pull-never', image], {
    encoding: 'utf8',
  }).trim()
  try {
    const volumes = ['--volume', `${checkout}:/work:O`, '--volume', `${work}:${work}`]
    const into = [
      ...store,
      'run',
      '--isolation',
      'chroot',
      '--workingdir',
      '/work',
      ...volumes,
      container,
      '--',
    ]
    return await tap(unitTests(), ['--jobs=2'], ['buildah', ...into])
  } finally {
    execFileSync('buildah', [...store, 'rm', container], { stdio: 'ignore' })
  }
}

/** Runs tap on the files, by way of the command `through` if there is one, and counts. */
async function tap(files, options, through = []) {
  if (files.length === 0) return { passed: 0, failed: 0 }
  const report = join(work, `${Math.random().toString(36).slice(2)}.tap`)
  const flags = ['run', '--disable-coverage', '--reporter=terse', `--output-file=${report}`, ...options]
  const [command, ...args] = [...through, 'node', 'node_modules/tap/dist/esm/run.mjs', ...flags, ...files]
  const code = await new Promise((resolve, reject) => {
    const env = process.stdout.isTTY ? process.env : { ...process.env, CI: 'true' } // no redrawing in a log
    const child = spawn(command, args, { cwd: checkout, stdio: ['ignore', 'inherit', 'inherit'], env })
    child.once('error', reject)
    child.once('exit', code => resolve(code ?? 1))
  })
  const counts = count(report)
  // A file that crashed, or tap itself: there may be no test of it that could be counted.
  return { ...counts, failed: code !== 0 && counts.failed === 0 ? 1 : counts.failed }
}

/** Tests are what a file says at its top level; in the report of all files they are indented once. */
function count(report) {
  const points = readReport(report).match(/^ {4}(not )?ok\b.*$/gm) ?? []
  const skipped = points.filter(point => /# (SKIP|TODO)/i.test(point))
  const failed = points.filter(point => /^ *not ok/.test(point) && !skipped.includes(point))
  for (const point of skipped) console.log(`skipped:${point}`)
  return {
    passed: points.length - skipped.length - failed.length,
    failed: failed.length + (mustRun ? skipped.length : 0),
  }
}

function readReport(report) {
  try {
    return readFileSync(report, 'utf8')
  } catch {
    return '' // tap did not come so far; its exit code counts
  }
}

function unitTests() {
  return testsIn('test').filter(file => !/^test\/(cluster|tier\d)\//.test(file))
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
  const version = /^version=(.+)$/m.exec(readFileSync(join(checkout, '.ci/kubernetes'), 'utf8'))?.[1]
  return programs.map(program => join(cache, `kubernetes-${version}`, program))
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
