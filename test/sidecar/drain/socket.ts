import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { createDrainSocket } from '../../../sidecar/drain/socket.ts'
import { runDir } from '../run-dir.ts'

t.test('each connection begins draining and is held until that lets it go', async t => {
  const path = join(runDir(t), 'drain.sock')
  writeFileSync(path, 'stale')
  let begins = 0
  let wake = () => {}
  let release = () => {}
  const released = new Promise<void>(resolve => (release = resolve))
  const socket = createDrainSocket(path, () => {
    if (++begins === 3) wake()
    return released
  })
  await socket.open()
  t.teardown(socket.close)
  let returned = 0
  const hooks = [1, 2].map(
    () =>
      new Promise<void>(resolve =>
        connect(path)
          .resume()
          .on('end', () => (returned++, resolve())),
      ),
  )
  const third = new Promise<void>(resolve => (wake = resolve))
  const givenUp = connect(path, () => givenUp.destroy())
  await third
  t.equal(returned, 0)
  release()
  await Promise.all(hooks)
})

t.test('closing lets every hook return', async t => {
  const path = join(runDir(t), 'drain.sock')
  let wake = () => {}
  const begun = new Promise<void>(resolve => (wake = resolve))
  const socket = createDrainSocket(path, () => {
    wake()
    return new Promise(() => {})
  })
  await socket.open()
  const hook = connect(path).resume()
  await begun
  const closed = new Promise(resolve => hook.once('close', resolve))
  socket.close()
  await closed
})

t.test('a path that cannot be listened on is an error', async t => {
  await t.rejects(createDrainSocket('/nowhere/drain.sock', async () => {}).open(), { code: /^E/ })
})
