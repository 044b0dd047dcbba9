// The sample app: a page, the one asset it names, and 404 for what it does not have.
// It ends as apps should: it stops to listen, lets its exchanges finish and closes the connections that are idle.

import { createServer } from 'node:http'

const version = process.env.VERSION ?? '1'
const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>version ${version}</title>
    <script src="/__spa/client.js" defer></script>
    <script type="module" src="/assets/main-${version}.js"></script>
  </head>
  <body>
    <h1 id="version">${version}</h1>
  </body>
</html>
`
const script = `document.documentElement.dataset.version = '${version}'\n`

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://app')
  if (pathname === '/healthz') return send(response, 200, 'text/plain', 'ok\n')
  if (pathname === `/assets/main-${version}.js`) return send(response, 200, 'text/javascript', script)
  if (pathname.startsWith('/assets/')) return send(response, 404, 'text/plain', 'not found\n')
  return send(response, 200, 'text/html; charset=utf-8', page) // the router of the SPA knows its own paths
})
server.keepAliveTimeout = 65_000 // longer than the load balancers in front of it keep theirs
server.listen(8080)

process.once('SIGTERM', () => server.close(() => process.exit(0)))

function send(response, status, type, body) {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
