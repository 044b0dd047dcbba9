// Apps of others as people run them behind a Service: nginx, Node, Go's net/http, gRPC. Images that serve at :8080 as any user.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkout } from '../binaries.ts'
import { imageOf } from '../images.ts'
import { run } from '../process.ts'
import type { Site } from '../site.ts'

export const webServers = ['nginx', 'node', 'static'] as const
export type App = (typeof webServers)[number] | 'grpc'

export interface Apps {
  /** Makes an image and returns its id in the local store. The web servers serve the site; nginx needs a /tmp to write to. */
  makeImage(app: App): Promise<string>
  /** Returns the names of gRPC's interoperability tests that pass at an address (host:port); rejects with the first that does not. */
  callGrpc(address: string): Promise<string[]>
  close(): void
}

const sources = join(checkout, 'test/cluster/apps')

export function prepareApps(site: Site): Apps {
  const dir = mkdtempSync(join(tmpdir(), 'spa-apps-'))
  const folder = join(dir, 'site')
  site.write(folder)
  const programs = new Map<string, Promise<string>>()
  const images: Record<App, () => Promise<string>> = {
    async nginx() {
      const root = join(dir, 'nginx')
      await copyNginx(root)
      const config = join(sources, 'nginx/nginx.conf')
      const stock = join(dir, 'port-80.conf')
      writeFileSync(stock, readFileSync(config, 'utf8').replace('listen 8080', 'listen 80'))
      const files = {
        '/': root,
        '/site': folder,
        '/etc/nginx/nginx.conf': config,
        '/etc/nginx/port-80.conf': stock, // as in the stock image
      }
      return imageOf(files, ['/usr/sbin/nginx', '-e', 'stderr', '-c', '/etc/nginx/nginx.conf'])
    },
    node: () =>
      imageOf(
        { '/app/server.js': join(sources, 'node/server.js'), '/site': folder },
        ['node', '/app/server.js', '/site'],
        'node:24-trixie-slim',
      ),
    static: async () => imageOf({ '/static': await build('static'), '/site': folder }, ['/static', '/site']),
    grpc: async () => imageOf({ '/grpc': await build('grpc') }, ['/grpc', 'serve']),
  }
  return {
    makeImage: app => images[app](),
    callGrpc: async address => (await run(await build('grpc'), ['call', address])).trim().split('\n'),
    close: () => rmSync(dir, { recursive: true, force: true }),
  }

  /**
   * Go's own cache, outside the checkout, is what makes the second build short. With the flags, and in go.mod the modules, of .ci/kubernetes much is in
   * it at the first.
   */
  function build(name: string): Promise<string> {
    const program = join(dir, name)
    const flags = ['-trimpath', '-gcflags=all=-dwarf=false -l', '-ldflags=-s -w']
    const built =
      programs.get(name) ??
      run('go', ['build', ...flags, '-o', program, `./${name}`], {
        cwd: sources,
        env: { CGO_ENABLED: '0' },
      }).then(() => program)
    programs.set(name, built)
    return built
  }
}

/** Debian's, as this machine has it installed, with what it is linked to: an image without a package manager. */
async function copyNginx(root: string): Promise<void> {
  const program = '/usr/sbin/nginx'
  const libraries = (await run('ldd', [program])).match(/(?<=\s)\/\S+/g) ?? []
  mkdirSync(root, { recursive: true })
  await run('cp', ['--dereference', '--parents', program, ...libraries, '/etc/nginx/mime.types', root])
}
