// GET /api/deploys: of one app all that is known, of all apps those that moved last. Read from the cluster each time, which keeps the templates that
// the controller's copies do not.

import type { ConsoleDeploy } from '../../protocol/console.ts'
import type { Api } from '../../release/api.ts'
import type { Source } from '../source.ts'
import { presentApp } from '../present.ts'
import { describeDeploys, findDeploy } from './deploys.ts'
import { readApp } from './follow.ts'
import type { AppId, DeployId } from './logs.ts'

const maxApps = 20 // each one costs two requests
const maxParallel = 4
const maxDeploys = 100

/** Newest first. */
export async function latestDeploys(api: Api, source: Source): Promise<ConsoleDeploy[]> {
  const apps = latestApps(source)
  const found: ConsoleDeploy[][] = []
  const workers = Array.from({ length: maxParallel }, async () => {
    for (let app = apps.shift(); app; app = apps.shift()) found.push(await deploysOf(api, source, app))
  })
  await Promise.all(workers)
  return found.flat().toSorted(newestFirst).slice(0, maxDeploys)
}

/** Empty where there is no such app. */
export async function deploysOf(
  api: Api,
  source: Source,
  { namespace, name }: AppId,
): Promise<ConsoleDeploy[]> {
  const present = presentApp(source, namespace, name)
  const read = present && (await readApp(api, namespace, name))
  return read ? describeDeploys(read, present) : []
}

export async function oneDeploy(api: Api, source: Source, id: DeployId): Promise<ConsoleDeploy | undefined> {
  const present = presentApp(source, id.namespace, id.name)
  const read = present && (await readApp(api, id.namespace, id.name))
  return read && findDeploy(read, id.revision, present)?.deploy
}

function newestFirst(a: ConsoleDeploy, b: ConsoleDeploy): number {
  return Date.parse(b.startedAt) - Date.parse(a.startedAt)
}

/** Those whose condition `Progressing` changed last. */
function latestApps(source: Source): { namespace: string; name: string }[] {
  return source
    .namespaces()
    .flatMap(name => source.namespace(name)?.copies.deployments() ?? [])
    .toSorted((a, b) => Date.parse(b.progress.at) - Date.parse(a.progress.at))
    .slice(0, maxApps)
}
