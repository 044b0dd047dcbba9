// Go's net/http, as a small program that is built for the test.

import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import type { Oracle, Read } from './read.ts'

export function goOracle(t: Test): Oracle {
  const folder = mkdtempSync(join(tmpdir(), 'go-oracle-'))
  const program = join(folder, 'server')
  execFileSync('go', ['build', '-o', program, join(import.meta.dirname, 'server.go')])
  const version = execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).trim()
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  t.teardown(() => {
    child.kill()
    rmSync(folder, { recursive: true })
  })
  return { name: version, read }

  async function read(streams: Buffer[]): Promise<Read[]> {
    for (const bytes of streams) {
      const size = Buffer.alloc(4)
      size.writeUInt32BE(bytes.length)
      child.stdin.write(Buffer.concat([size, bytes]))
    }
    const reads: Read[] = []
    while (reads.length < streams.length) {
      const { value, done } = await lines.next()
      if (done) throw new Error('the Go program has ended')
      const line = JSON.parse(value) as Read
      for (const request of line.requests) {
        request.target = Buffer.from(request.target, 'base64').toString('latin1')
        request.body = Buffer.from(request.body ?? '', 'base64').toString('latin1')
      }
      reads.push(line)
    }
    return reads
  }
}
