// The pages are files: no server renders them. One script and one style sheet; addresses are kept behind the #, and everything is asked for
// relative to the document, so they work below any path.

import adapter from '@sveltejs/adapter-static'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'

const pages = '../../dist/console'

/** @type {import('@sveltejs/kit').Config} */
export default {
  kit: {
    adapter: {
      name: 'relative',
      async adapt(builder) {
        await adapter({ pages }).adapt(builder)
        writeFileSync(`${pages}/index.html`, relative(readFileSync(`${pages}/index.html`, 'utf8')))
        await builder.compress(pages)
      },
    },
    router: { type: 'hash' },
    output: { bundleStrategy: 'single' },
    version: { name: 'console' }, // the same files from the same source; whether the server has others, its `reset` says
    // In a <meta> of index.html, with the hash of the one inline script that starts it. What a <meta> cannot say, frame-ancestors, the server does.
    csp: {
      mode: 'hash',
      directives: {
        'default-src': ['none'],
        'script-src': ['self'],
        'style-src': ['self'],
        'img-src': ['self', 'data:'],
        'connect-src': ['self'],
        'base-uri': ['none'],
        'form-action': ['none'],
      },
    },
  },
}

/** SvelteKit names the assets of a page without a server from the root. The inline script is then another one, and so is its hash. */
function relative(html) {
  const [before] = /(?<=<script>)[^]*?(?=<\/script>)/.exec(html)
  const after = before.replace('import("/_app/', 'import("./_app/')
  return html
    .replaceAll('href="/', 'href="./')
    .replace(before, () => after)
    .replace(hash(before), () => hash(after))
}

/** As in a Content-Security-Policy. */
function hash(script) {
  return `sha256-${createHash('sha256').update(script).digest('base64')}`
}
