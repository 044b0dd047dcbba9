import { execFileSync } from 'node:child_process'
import t from 'tap'
import { connectionsWithin, readOpenFiles, tabsWithin } from '../../../sidecar/front/descriptors.ts'

t.test('all connections, with all tabs among them, have descriptors, and some are left', async t => {
  for (const openFiles of [64, 256, 1_024, 4_096, 20_000, 65_536, 1_048_576]) {
    for (const maxTabs of [1, 100, 6_000, 20_000, 1_000_000]) {
      const connections = connectionsWithin(openFiles, maxTabs)
      const taken = 2 * connections + Math.min(maxTabs, connections)
      const what = `${openFiles} files, ${maxTabs} tabs: ${connections} connections`
      t.ok(taken <= openFiles - Math.min(1_200, openFiles / 4), what)
      t.ok(connections < openFiles / 2, what)
      t.ok(
        taken + 4 > openFiles - Math.min(1_200, Math.ceil(openFiles / 4)),
        `${what}, and no fewer than fit`,
      )
    }
  }
  t.ok(
    connectionsWithin(1_048_576, 6_000) > 10_000,
    'what containers usually may open leaves the default alone',
  )
  t.equal(connectionsWithin(1, 6_000), 1)
})

t.test('tabs alone take one each, and some are left', async t => {
  t.equal(tabsWithin(1_048_576), 1_048_576 - 1_200)
  t.equal(tabsWithin(20_000), 18_800)
  t.equal(tabsWithin(512), 384)
  t.equal(tabsWithin(1), 1)
})

t.test(
  'the limit is that of the process',
  { skip: process.platform !== 'linux' && 'Linux only' },
  async t => {
    t.equal(
      String(await readOpenFiles()),
      execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim(),
    )
  },
)

t.test('where there is none to be read, none is guessed', async t => {
  const folder = t.testdir({
    limits: 'Max open files            unlimited            unlimited            files\n',
  })
  t.equal(await readOpenFiles(`${folder}/limits`), undefined)
  t.equal(await readOpenFiles(`${folder}/nowhere`), undefined)
})
