// nginx: as an oracle, which answers each request with what it has read (it drops bodies, so their bytes are not compared, but
// their ends are), and with any other servers.

import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { until } from '../cluster/wait.ts'
import type { Oracle, Read } from './read.ts'

export async function nginxOracle(t: Test): Promise<Oracle> {
  let socket = ''
  await startNginx(t, folder => {
    socket = join(folder, 'nginx.sock')
    return `server { listen unix:${socket}; location / { add_header X-Read "$request_method $request_uri"; return 204; } }`
  })
  await until('nginx to listen', () => canConnect(socket))
  const version = execFileSync('sh', ['-c', 'nginx -v 2>&1'], { encoding: 'utf8' })
  return { name: version.replace(/^.*: /, '').trim(), read }

  async function read(streams: Buffer[]): Promise<Read[]> {
    const reads: Read[] = []
    for (let from = 0; from < streams.length; from += 64)
      reads.push(...(await Promise.all(streams.slice(from, from + 64).map(readOne))))
    return reads
  }

  function readOne(bytes: Buffer): Promise<Read> {
    return new Promise(resolve => {
      let text = ''
      const client = connect(socket)
      client.setEncoding('latin1')
      client.on('data', part => (text += String(part)))
      client.on('error', () => {})
      client.on('close', () => {
        const requests = Array.from(text.matchAll(/\r\nX-Read: (\S*) (\S*)\r\n/g), ([, method, target]) => ({
          method: method!,
          target: target!,
        }))
        resolve({ requests, isRefused: /HTTP\/1\.[01] [45]\d\d /.test(text) })
      })
      client.end(bytes)
    })
  }
}

function canConnect(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const client = connect(path, () => resolve(true))
    client.on('error', () => resolve(false)).on('connect', () => client.destroy())
  })
}

/** Starts nginx with the servers that the function writes, which gets a folder for their files. */
export async function startNginx(t: Test, servers: (folder: string) => string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'))
  chmodSync(folder, 0o755)
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log /dev/null crit; events { worker_connections 512; }
    http {
      access_log off; client_max_body_size 0; lingering_close off; merge_slashes off;
      client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
      ${servers(folder)}
    }`,
  )
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', '/dev/null'])
  t.teardown(async () => {
    const ended = new Promise(resolve => child.once('close', resolve))
    child.kill()
    await ended
    rmSync(folder, { recursive: true })
  })
}
