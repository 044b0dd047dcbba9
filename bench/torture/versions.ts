// The versions of the sample app: images that differ only in what their configuration says the version is. So a version costs three requests
// to the registry, and a tag one (https://distribution.github.io/distribution/spec/api/).

import { createHash } from 'node:crypto'

export interface Versions {
  /** What the app shows → the image's digest, 64 hex digits. */
  digests: Record<string, string>
  /** Makes `<repository>:<tag>` stand for a version, whatever it stood for until then. */
  push(version: string, tag: string): Promise<void>
}

interface Manifest {
  mediaType: string
  config: { digest: string; size: number }
}

/** Takes the image of one version that has been pushed. `registry` is host:port; `repository` the path in it. */
export async function makeVersions(
  registry: string,
  { repository, tag, names }: { repository: string; tag: string; names: readonly string[] },
): Promise<Versions> {
  const root = `http://${registry}/v2/${repository}`
  const accept = 'application/vnd.oci.image.manifest.v1+json'
  const answer = await ask('GET', `${root}/manifests/${tag}`, { headers: { accept } })
  const model = (await answer.json()) as Manifest
  const config = (await (await ask('GET', `${root}/blobs/${model.config.digest}`)).json()) as {
    config: { Env: string[] }
  }
  const manifests = new Map<string, string>()
  const digests: Record<string, string> = {}
  for (const name of names) {
    const env = config.config.Env.filter(variable => !variable.startsWith('VERSION='))
    const made = JSON.stringify({ ...config, config: { ...config.config, Env: [...env, `VERSION=${name}`] } })
    const digest = `sha256:${sha256(made)}`
    const upload = (await ask('POST', `${root}/blobs/uploads/`)).headers.get('location') ?? ''
    const separator = upload.includes('?') ? '&' : '?'
    await ask('PUT', `${new URL(upload, root).href}${separator}digest=${digest}`, {
      body: made,
      headers: { 'content-type': 'application/octet-stream' },
    })
    const manifest = JSON.stringify({ ...model, config: { ...model.config, digest, size: made.length } })
    manifests.set(name, manifest)
    digests[name] = sha256(manifest)
  }
  return {
    digests,
    async push(version, tag) {
      const body = manifests.get(version) ?? ''
      await ask('PUT', `${root}/manifests/${tag}`, { body, headers: { 'content-type': model.mediaType } })
    },
  }
}

async function ask(method: string, url: string, init: RequestInit = {}): Promise<Response> {
  const answer = await fetch(url, { ...init, method })
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`)
  return answer
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
