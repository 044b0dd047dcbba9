// No test may leave programs behind, whatever becomes of it.

import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startProgram } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'

const module = join(import.meta.dirname, '../cluster/process.ts')

t.test('a program dies with the process that started it, even when that is killed', async t => {
  const log = join(t.testdir(), 'log')
  const code = `import { startProgram } from ${JSON.stringify(module)}
    console.log(startProgram('sleep', ['600'], { log: ${JSON.stringify(log)} }).pid)
    setInterval(() => {}, 1_000)`
  const args = [...process.execArgv, '--input-type=module', '--eval', code]
  const owner = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const pid = await new Promise<string>(resolve =>
    owner.stdout.once('data', data => resolve(String(data).trim())),
  )
  // Until then nobody has asked the kernel for it.
  await until('setpriv to have become the program', () => commandOf(pid) === 'sleep')
  t.ok(isRunning(pid))
  owner.kill('SIGKILL')
  t.ok(await until('its end', () => !isRunning(pid)))
})

t.test('a program that ends by itself says why', async t => {
  const dir = t.testdir()
  const program = startProgram('sh', ['-c', 'echo no such flag; exit 3'], { log: join(dir, 'log') })
  await t.rejects(program.failed, /sh ended \(3\):\nno such flag/)
})

function commandOf(pid: string): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
}

/** What a killed process leaves until its new parent asks for it (a zombie, Z) is no program. */
function isRunning(pid: string): boolean {
  return existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}
