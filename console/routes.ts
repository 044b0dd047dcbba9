// Which resource a request means. The console may stand below a path of somebody's proxy, stripped or not; and a proxy may have decoded the slash
// in an id.

export type Route =
  | { name: 'events' | 'apps' | 'deploys' }
  | { name: 'app' | 'app-events' | 'deploy' | 'logs'; id: string }
  | { name: 'nothing' }
  | { name: 'page' }

/** Takes the path of the request, encoded and without the query. */
export function routeOf(path: string): Route {
  const start = path.indexOf(root) // the first: behind it there may be a namespace of the name `api`
  if (start === -1) return { name: 'page' }
  const [, collection, rest] = /^([^/]*)(?:\/(.*))?$/s.exec(path.slice(start + root.length)) ?? []
  if (rest === undefined)
    return collection === 'events' || collection === 'apps' || collection === 'deploys'
      ? { name: collection }
      : { name: 'nothing' }
  if (collection === 'apps') {
    const found = rest.endsWith(events) ? one('app-events', rest.slice(0, -events.length)) : undefined
    return found?.name === 'app-events' ? found : one('app', rest) // an app may be called `events`
  }
  if (collection !== 'deploys') return { name: 'nothing' }
  return rest.endsWith(logs) ? one('logs', rest.slice(0, -logs.length)) : one('deploy', rest)
}

const root = '/api/'
const logs = '/logs'
const events = '/events'

function one(name: 'app' | 'app-events' | 'deploy' | 'logs', encoded: string): Route {
  const id = decoded(encoded)
  return id !== undefined && /^[^/]+\/[^/]+$/.test(id) ? { name, id } : { name: 'nothing' }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
