import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createDownwardFeed } from '../../../sidecar/feed/downward.ts'
import type { DownwardOptions } from '../../../sidecar/feed/downward.ts'
import { releaseState } from '../state.ts'
import { createVolume } from '../volume.ts'
import type { ReleaseState } from '../../../protocol/release.ts'
import type { Test } from 'tap'

/** The slow poll is out of the way unless a test asks for it: what arrives then came by the watch. */
function setUp(t: Test, pollMs = 600_000, watchDirectory?: DownwardOptions['watchDirectory']) {
  const podDir = join(t.testdir(), 'pod')
  const heard: ReleaseState[] = []
  const lines: string[] = []
  let wake = () => {}
  const feed = createDownwardFeed({
    podDir,
    pollMs,
    ...(watchDirectory && { watchDirectory }),
    offer: state => {
      heard.push(state)
      wake()
    },
    log: (message, fields) => {
      lines.push(`${message} ${fields?.reason}`)
      wake()
    },
  })
  t.teardown(feed.close)
  return { podDir, feed, heard, lines, until }

  async function until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>(resolve => (wake = resolve))
  }
}

const text = (serial: number) => JSON.stringify(releaseState({ serial }))

t.test('each swap of ..data by the kubelet is noticed without polling', async t => {
  const { podDir, feed, heard, until } = setUp(t)
  const volume = createVolume(podDir)
  volume.write(text(1))
  feed.open()
  t.equal(heard.at(-1)?.serial, 1, 'what is there at the start is read at once')
  for (const serial of [2, 3, 4, 5]) {
    volume.write(text(serial))
    await until(() => heard.at(-1)?.serial === serial)
  }
  t.same(heard.at(-1), releaseState({ serial: 5 }))
  t.equal(feed.errors(), 0)
})

t.test('an annotation that is still empty is no error, and its first value is noticed', async t => {
  const { podDir, feed, heard, lines, until } = setUp(t)
  const volume = createVolume(podDir)
  volume.write('')
  feed.open()
  t.same([heard, lines], [[], []])
  volume.write(text(1))
  await until(() => heard.length > 0)
  t.equal(heard[0]?.serial, 1)
})

t.test('malformed text is logged once per change and never offered; the next good one is', async t => {
  const { podDir, feed, heard, lines, until } = setUp(t)
  const volume = createVolume(podDir)
  for (const bad of ['{"name":', 'null', '[]', '{}', '{"name":"web","serial":"31"}']) {
    volume.write(bad)
    if (feed.errors() === 0) feed.open()
    await until(() => lines.some(line => line.endsWith(bad)))
  }
  volume.write(text(32))
  await until(() => heard.length > 0)
  t.equal(heard[0]?.serial, 32)
  t.equal(lines.length, 5)
  t.equal(feed.errors(), 5)
})

t.test('what stays malformed is not logged at each look', async t => {
  const { podDir, feed, heard, lines, until } = setUp(t, 5)
  const volume = createVolume(podDir)
  volume.write('{}')
  feed.open()
  await new Promise(resolve => setTimeout(resolve, 50))
  volume.write(text(1))
  await until(() => heard.length > 0)
  t.equal(lines.length, 1)
})

t.test('a directory that comes late or goes away is survived, logged once, and read again', async t => {
  const { podDir, feed, heard, lines, until } = setUp(t, 10)
  feed.open()
  t.match(lines, [/unreadable ENOENT/])
  createVolume(podDir).write(text(1))
  await until(() => heard.length > 0)
  rmSync(podDir, { recursive: true })
  await until(() => lines.length > 1)
  mkdirSync(podDir)
  createVolume(podDir).write(text(2))
  await until(() => heard.at(-1)?.serial === 2)
  t.equal(lines.filter(line => line.includes('unreadable')).length, 2)
})

t.test('a kernel that lets it watch nothing is told of once, and the file is read all the same', async t => {
  const full = (): never => {
    throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
  }
  const { podDir, feed, heard, lines, until } = setUp(t, 20, full)
  const volume = createVolume(podDir)
  volume.write(text(1))
  feed.open()
  for (const serial of [2, 3]) {
    volume.write(text(serial))
    await until(() => heard.at(-1)?.serial === serial)
  }
  t.same(lines, ['release file not watched EMFILE'])
  t.equal(feed.errors(), 1)
})
