// A page with 60 assets as bundlers make it: a graph of modules with hashes in their names, styles, images, 0.9 MB in all.
// Made from fixed seeds, so that every run has the same bytes.

import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'

export interface Site {
  /** Path, `/` for the page → content. */
  files: Map<string, Buffer>
  /** Writes it to a folder as web servers expect it: the page is `index.html`. */
  write(folder: string): void
}

const chunks = 34
const styles = 10
const pictures = 6 // of either format

/** Every asset delays the page's load event. */
export function makeSite(): Site {
  const files = new Map<string, Buffer>()
  let seed = 1
  const data = add('data', 'json', JSON.stringify({ words: words(20_000) }))
  const modules = Array.from({ length: chunks }, (_, index) => {
    const imported = index === 0 ? `import data from '${data}' with { type: 'json' }\n` : ''
    const value = index === 0 ? 'data.words' : `'${words(2_000 + 700 * index)}'`
    return add('chunk', 'js', `${imported}export const length = ${value}.length\n`)
  })
  const entry = add(
    'index',
    'js',
    modules.map((path, index) => `import { length as l${index} } from '${path}'`).join('\n') +
      `\ndocument.body.dataset.length = ${modules.map((_, index) => `l${index}`).join(' + ')}\n// ${words(90_000)}\n`,
  )
  const classic = add('polyfills', 'js', `document.body.dataset.isClassic = '${words(20_000)}'\n`)
  const background = add('background', 'png', picture(48))
  const sheets = Array.from({ length: styles }, (_, index) => {
    const image = index === 0 ? `body { background: url(${background}) }\n` : ''
    return add(
      'style',
      'css',
      `${image}.s${index} { order: ${index} }\n/* ${words(4_000 * (index + 1))} */\n`,
    )
  })
  const images = Array.from({ length: pictures }, (_, index) => [
    add('photo', 'png', picture(32 * (index + 1))),
    add('icon', 'svg', vector(40 * (index + 1))),
  ]).flat()
  files.set(
    '/',
    Buffer.from(`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>60 assets</title>
    <link rel="icon" href="data:," />
${sheets.map(path => `    <link rel="stylesheet" href="${path}" />`).join('\n')}
    <script type="module" src="${entry}"></script>
  </head>
  <body>
    <script src="${classic}"></script>
${images.map(path => `    <img src="${path}" alt="" />`).join('\n')}
  </body>
</html>
`),
  )
  return { files, write }

  function add(name: string, extension: string, content: string | Buffer): string {
    const bytes = Buffer.from(content as string)
    const path = `/assets/${name}-${createHash('sha256').update(bytes).digest('hex').slice(0, 10)}.${extension}`
    files.set(path, bytes)
    return path
  }

  /** About so many bytes, which compress about as code does. */
  function words(bytes: number): string {
    let text = ''
    while (text.length < bytes) text += `${vocabulary[random(vocabulary.length)]}${random(40)} `
    return text
  }

  function picture(side: number): Buffer {
    return png(
      side,
      Buffer.from(Array.from({ length: side * (side + 1) }, (_, at) => (at % (side + 1) ? random(256) : 0))),
    )
  }

  function vector(lines: number): string {
    const paths = Array.from(
      { length: lines },
      () => `<path d="M${random(99)} ${random(99)}L${random(99)} ${random(99)}"/>`,
    )
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 99 99" stroke="black">${paths.join('')}</svg>\n`
  }

  /** Of Park and Miller. */
  function random(below: number): number {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }

  function write(folder: string): void {
    for (const [path, bytes] of files) {
      const file = join(folder, path === '/' ? 'index.html' : path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, bytes)
    }
  }
}

const vocabulary =
  'return const function props state render value list item event style width query route'.split(' ')

/** A grey image; each row of samples begins with the number of its filter, 0 (PNG, https://www.w3.org/TR/png-3/). */
function png(side: number, rows: Buffer): Buffer {
  const header = Buffer.from([0, 0, 0, side, 0, 0, 0, side, 8, 0, 0, 0, 0])
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const length = Buffer.alloc(4)
  const sum = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}
