// The sample app: a page (`?auto` gives the one that reloads by itself), the one asset it names, and 404 for what it does not have.
// It ends as apps should: it stops to listen, lets its exchanges finish and closes the connections that are idle.

import { createServer } from 'node:http'
import { pageOf } from './page.js'

const version = process.env.VERSION ?? '1'
const script = `document.documentElement.dataset.version = '${version}'\n`

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://app')
  if (pathname === '/healthz') return send(response, 200, 'text/plain', 'ok\n')
  if (pathname === `/assets/main-${version}.js`) return send(response, 200, 'text/javascript', script)
  if (pathname.startsWith('/assets/')) return send(response, 404, 'text/plain', 'not found\n')
  // The router of the SPA knows its own paths.
  send(response, 200, 'text/html; charset=utf-8', pageOf(version, { isAuto: searchParams.has('auto') }))
})
server.keepAliveTimeout = 65_000 // longer than the load balancers in front of it keep theirs
server.listen(8080)

process.once('SIGTERM', () => server.close(() => process.exit(0)))

function send(response, status, type, body) {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
