// A static web server as one writes it in Node: files are streamed, so their answers are chunked.

import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'

const [folder = '.'] = process.argv.slice(2)
const types = { html: 'text/html', js: 'text/javascript', css: 'text/css', json: 'application/json' }
const pictures = { svg: 'image/svg+xml', png: 'image/png' }

createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://app')
  const isPage = pathname === '/'
  const file = createReadStream(join(folder, isPage ? 'index.html' : pathname))
  file.once('open', () => {
    const type = { ...types, ...pictures }[isPage ? 'html' : extname(pathname).slice(1)]
    response.setHeader('Content-Type', type ?? 'application/octet-stream')
    response.setHeader('Cache-Control', isPage ? 'no-cache' : 'public, max-age=31536000, immutable')
    file.pipe(response)
  })
  file.once('error', () => response.writeHead(404).end())
}).listen(Number(process.env.PORT ?? 8080))
process.once('SIGTERM', () => process.exit()) // the first process of a container hears only what it listens for
