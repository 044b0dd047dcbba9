// Images from Dockerfiles, with buildah and without any image registry but the test's own. The store is kept in the cache
// folder, so that layers which did not change are not built again.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDir, checkout } from './binaries.ts'
import { run } from './process.ts'

const store = [
  `--root=${join(cacheDir, 'images')}`,
  `--runroot=${join(cacheDir, 'images-run')}`,
  '--storage-driver=overlay',
]

export interface Build {
  /** Paths; the context is the folder that COPY reads from. */
  dockerfile: string
  context: string
  buildArgs?: Record<string, string>
}

/** Builds an image and returns its id in the local store. */
export async function buildImage({ dockerfile, context, buildArgs = {} }: Build): Promise<string> {
  await makeBaseImage()
  const dir = mkdtempSync(join(tmpdir(), 'spa-build-'))
  const idFile = join(dir, 'id')
  try {
    // One at a time on the whole machine: what one build makes, the others find.
    await run('flock', [
      join(cacheDir, 'build.lock'),
      'buildah',
      ...store,
      'bud',
      '--isolation=chroot',
      '--pull-never',
      '--force-rm',
      '--quiet',
      `--iidfile=${idFile}`,
      // buildah 1.28 takes `ENV X=$ARG` from the layers of a build with another ARG: seen.
      Object.keys(buildArgs).length === 0 ? '--layers' : '--no-cache',
      ...Object.entries(buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
      ...(await (npm ??= npmConfiguration())).map(mount => `--volume=${mount}`),
      `--file=${dockerfile}`,
      context,
    ])
    return readFileSync(idFile, 'utf8').replace(/^sha256:/, '')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Makes an image of files alone, or of files on the base image: path in the image → file or folder here. Returns its id in the local store. */
export async function imageOf(
  files: Record<string, string>,
  command: string[],
  from: 'scratch' | 'node:24-trixie-slim' = 'scratch',
): Promise<string> {
  if (from !== 'scratch') await makeBaseImage()
  const container = (await buildah(['from', '--pull-never', from])).trim()
  for (const [path, file] of Object.entries(files)) await buildah(['add', '--quiet', container, file, path])
  await buildah(['config', '--entrypoint', JSON.stringify(command), container])
  return (await buildah(['commit', '--quiet', '--rm', container])).trim()
}

/** Pushes an image of the local store to a registry (host:port) under `name`, and returns its digest there. */
export async function pushImage(id: string, registry: string, name: string): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'spa-push-'))
  const digestFile = join(dir, 'digest')
  try {
    const speed = ['--compression-format=zstd', '--compression-level=1'] // half of gzip's time
    const flags = ['--quiet', '--tls-verify=false', `--digestfile=${digestFile}`, ...speed]
    await buildah(['push', ...flags, id, `docker://${registry}/${name}`])
    return readFileSync(digestFile, 'utf8').trim()
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** How many bytes a registry holds of an image of the local store. */
export async function compressedBytes(id: string): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'spa-size-'))
  try {
    await buildah(['push', '--quiet', '--compression-format=gzip', id, `oci:${dir}`])
    const blobs = join(dir, 'blobs/sha256')
    return readdirSync(blobs).reduce((sum, blob) => sum + statSync(join(blobs, blob)).size, 0)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

let base: Promise<string> | undefined
let pruned: Promise<void> | undefined
let npm: Promise<string[]> | undefined

interface Image {
  id: string
  names: string[] | null
  /** Seconds since 1970. */
  created: number
}

/** `node:24-trixie-slim`, made once for each machine. */
async function makeBaseImage(): Promise<void> {
  await (base ??= run(join(checkout, '.ci/base-image'), []))
  await (pruned ??= prune())
}

/** Removes the layers that are older than a day, so that the store does not grow for ever. Newest first: the older carry them. */
async function prune(): Promise<void> {
  const images = JSON.parse(await buildah(['images', '--all', '--json'])) as Image[]
  const yesterday = Date.now() / 1_000 - 86_400
  const old = images.filter(({ names, created }) => names === null && created < yesterday)
  for (const { id } of old.sort((a, b) => b.created - a.created)) {
    await buildah(['rmi', id]).catch(() => {}) // a younger one is built on it
  }
}

/**
 * Mounts by which `npm ci` in a Dockerfile sees this machine's npm configuration, the certificates that it names, and what npm has in its cache.
 * The Dockerfile does not know of them: where the registry is reached directly a plain `docker build` does as well.
 */
async function npmConfiguration(): Promise<string[]> {
  const [user, global, certificates, cache] = await Promise.all(
    ['userconfig', 'globalconfig', 'cafile', 'cache'].map(async key =>
      (await run('npm', ['config', 'get', key])).trim(),
    ),
  )
  const mounts: [string | undefined, string][] = [
    [user, '/root/.npmrc:ro'],
    [global, '/usr/local/etc/npmrc:ro'],
    [certificates, `${certificates}:ro`],
    [cache, '/root/.npm'],
  ]
  return mounts.flatMap(([from, to]) => (from && existsSync(from) ? [`${from}:${to}`] : []))
}

function buildah(args: string[]): Promise<string> {
  return run('buildah', [...store, ...args])
}
