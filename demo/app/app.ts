// The sample app: a server as a single-page app has one, every address being the same document. It knows nothing of spa-reloader but
// the script tag in its page. It runs in the demo's own process, and ends as a well-behaved container does.

import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Process } from '../programs.ts'

export interface AppOptions {
  port: number
  /** The page's HTML, in which {{version}}, {{build}} and {{pod}} are filled in. */
  page: string
  version: string
  /** How often this version was built. */
  build: number
  pod: string
}

const lastAnswersMs = 200

export function startApp({ port, page, version, build, pod }: AppOptions): Process {
  const values: Record<string, string> = { version, build: String(build), pod }
  const html = page.replace(/{{(\w+)}}/g, (_, name: string) => values[name] ?? '')
  const server = createServer(answer)
  const ended = new Promise<string>(resolve => {
    server.on('error', error => resolve(error.message))
    server.on('close', () => resolve('ended'))
  })
  server.listen(port, '127.0.0.1')
  return { ended, terminate, kill }

  function answer({ url = '/', method }: IncomingMessage, response: ServerResponse): void {
    const [path = '/'] = url.split('?')
    if (method !== 'GET' && method !== 'HEAD')
      return void response.writeHead(405, { Allow: 'GET, HEAD' }).end()
    if (/\.\w+$/.test(path)) return void response.writeHead(404).end('not found\n')
    response.setHeader('Content-Type', 'text/html; charset=utf-8').end(html)
  }

  function terminate(): void {
    server.close()
    server.closeIdleConnections()
    setTimeout(kill, lastAnswersMs).unref()
  }

  function kill(): void {
    server.close()
    server.closeAllConnections()
  }
}
