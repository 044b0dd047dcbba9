// The checker on logs made by hand: what it lets pass, and that it finds each kind of fault.

import t from 'tap'
import { check, knows } from '../../../bench/torture/check.ts'
import type { Log, Visit, World } from '../../../bench/torture/log.ts'
import type { Note } from '../../tier3/tab.ts'

const digests = { one: '1'.repeat(64), two: '2'.repeat(64), three: '3'.repeat(64) }
type Name = keyof typeof digests

// One is live; from 10 s to 20 s it is replaced by two.
const rollout = [world(0, 'A', ['one']), world(10, 'B', ['one', 'two'], false), world(20, 'B', ['two'])]
// And from 30 s to 40 s two by one again.
const rollback = [...rollout, world(30, 'C', ['two', 'one'], false), world(40, 'C', ['one'])]

t.test('a tab that is told when the rollout has ended: nothing to complain of', async t => {
  const log = logOf(rollout, [tab([load(1, 'one'), update(21, 'one', 'two', 2)])])
  t.match(counts(log), { told: 1, latencies: [1_000], missed: 0, false: 0, loops: 0, windows: 0 })
})

t.test('so is one that reloaded by itself, by its person, or was opened on the new version', async t => {
  const visits = [
    tab([load(1, 'one'), update(21, 'one', 'two', 2), load(22, 'two')], { isAuto: true }),
    tab([load(1, 'one'), update(21, 'one', 'two', 2), load(25, 'two')], {
      loads: [{ from: at(24), until: at(25) }],
    }),
    tab([load(15, 'two')], { from: at(15) }),
  ]
  t.match(counts(logOf(rollout, visits)), { told: 2, missed: 0, false: 0, loops: 0 })
})

t.test('a miss: the tab on the old version has no offer when all has come to rest', async t => {
  t.equal(check(logOf(rollout, [tab([load(1, 'one')])])).missed.length, 1)
})

t.test('a miss: the offer was withdrawn again', async t => {
  const log = logOf(rollout, [tab([load(1, 'one'), update(21, 'one', 'two', 2), withdrawn(23, 'one')])])
  t.equal(check(log).missed.length, 1)
})

t.test('a miss: the offer is of what is no longer live', async t => {
  const log = logOf(rollback, [tab([load(22, 'one'), update(23, 'one', 'two', 2)])])
  t.ok(check(log).missed.length === 1)
})

t.test('a miss: back from the back/forward cache, still on the old version', async t => {
  const visit = tab([load(1, 'one'), note(25, 'restored', 'one')], {
    absences: [{ from: at(5), until: at(25) }],
  })
  t.equal(check(logOf(rollout, [visit])).missed.length, 1)
})

t.test('a miss: the script of the client never came, which is no excuse', async t => {
  const log = logOf(rollout, [tab([load(1, 'one'), note(1.1, 'failed', 'one')])])
  t.equal(check(log).missed.length, 1)
  const heard = [load(1, 'one'), update(21, 'one', 'two', 2), note(22, 'failed', 'one')]
  t.match(
    counts(logOf(rollout, [tab(heard)])),
    { told: 1, missed: 0, false: 0 },
    'another one takes nothing back',
  )
})

t.test(
  'nor is a page whose client could not come, as there was no pod to give it; but where there was one, it is',
  async t => {
    const failed = { ...note(12, 'failed', 'one'), why: 'http://10.100.0.1/__spa/client.js' }
    const visit = tab([load(11, 'one'), failed])
    const recreate = [world(0, 'one', ['one']), world(11.5, 'two', [], false), world(20, 'two', ['two'])]
    t.equal(check(logOf(recreate, [visit])).missed.length, 0)
    t.equal(check(logOf(recreate, [tab([load(11, 'one')])])).missed.length, 1)
    t.equal(check(logOf(rollout, [visit])).missed.length, 1)
  },
)

t.test('nobody is missed who is not there', async t => {
  const visits = [
    tab([load(1, 'one')], { until: at(12) }),
    tab([load(1, 'one')], { absences: [{ from: at(5), until: Infinity }] }),
    tab([], { from: at(200) }),
  ]
  t.same(check(logOf(rollout, visits)).missed, [])
})

t.test('nor a page that came from a pod without the sidecar', async t => {
  const bare = [{ ...world(0, 'A', ['one']), isBare: true }, ...rollout.slice(1)]
  t.same(check(logOf(bare, [tab([load(1, 'one')])])).missed, [])
  t.equal(
    check(logOf(bare, [tab([load(12, 'one')])])).missed.length,
    1,
    'once they are gone there is no excuse',
  )
  const absences = [{ from: at(11.5), until: at(12.1) }]
  const back = tab([load(1, 'one'), load(12, 'one')], { absences })
  t.same(check(logOf(bare, [back])).missed, [], 'but for who goes back: his browser has kept it')
  t.equal(check(logOf(rollout, [back])).missed.length, 1)
})

t.test('a false alarm: told before the rollout has ended', async t => {
  const log = logOf(rollout, [tab([load(1, 'one'), update(15, 'one', 'two', 2)])])
  t.equal(check(log).false.length, 1)
})

t.test('but what the watch says half a second after the tab may have come first', async t => {
  const log = logOf(rollout, [tab([load(1, 'one'), update(19.6, 'one', 'two', 2)])])
  t.match(counts(log), { told: 1, false: 0 })
})

t.test('or longer after it, where the process that watches was held up', async t => {
  const log = logOf(rollout, [tab([load(1, 'one'), update(18, 'one', 'two', 2)])])
  t.match(counts({ ...log, heldUpMs: 1_400 }), { told: 0, false: 1 })
  t.match(counts({ ...log, heldUpMs: 1_600 }), { told: 1, false: 0 })
})

t.test('a false alarm: told of what is not live, of what the page is already, or of nothing', async t => {
  for (const note of [update(21, 'one', 'three', 2), update(21, 'two', 'two', 2)]) {
    const log = logOf(rollout, [tab([load(1, note.version), note])])
    t.equal(check(log).false.length, 1)
  }
  t.equal(check(logOf(rollout, [tab([load(1, 'one'), update(5, 'one', 'two', 2)])])).false.length, 1)
})

t.test('a false alarm: an offer that is withdrawn while it holds', async t => {
  const notes = [
    load(1, 'one'),
    update(21, 'one', 'two', 2),
    withdrawn(23, 'one'),
    update(24, 'one', 'two', 2),
  ]
  t.equal(check(logOf(rollout, [tab(notes)])).false.length, 1)
})

t.test(
  'a false alarm: a page that reloads without an offer, or that was not asked to reload by itself',
  async t => {
    const without = tab([load(1, 'one'), load(22, 'two')], { isAuto: true })
    const unasked = tab([load(1, 'one'), update(21, 'one', 'two', 2), load(22, 'two')])
    for (const visit of [without, unasked]) t.equal(check(logOf(rollout, [visit])).false.length, 1)
  },
)

t.test('the window: an offer of what the next rollout is just replacing, withdrawn', async t => {
  const late = tab([load(1, 'one'), update(31, 'one', 'two', 2), withdrawn(32, 'one')])
  t.match(counts(logOf(rollback, [late])), { windows: 1, false: 0, missed: 0 })
})

t.test('a false alarm: the window is longer than the lag, or the offer stands', async t => {
  const long = tab([load(1, 'one'), update(36, 'one', 'two', 2), withdrawn(37, 'one')])
  const stands = tab([load(1, 'one'), update(31, 'one', 'two', 2)])
  for (const visit of [long, stands]) t.equal(check(logOf(rollback, [visit])).false.length, 1)
})

t.test('the lag does not count the time in which there was no controller', async t => {
  const visit = tab([load(1, 'one'), update(36, 'one', 'two', 2), withdrawn(41, 'one')])
  const log = { ...logOf(rollback, [visit]), outages: [{ from: at(29), until: at(35) }] }
  t.match(counts(log), { windows: 1, false: 0 })
})

t.test('what is complete stays complete, whatever happens to its pods', async t => {
  const killed = [...rollout, world(22, 'B', ['two'], false), world(50, 'B', ['two'])]
  t.match(counts(logOf(killed, [tab([load(1, 'one'), update(24, 'one', 'two', 2)])])), { told: 1, false: 0 })
})

t.test('no false alarm: the offer was withdrawn when the page had been told to go', async t => {
  const going = { ...load(34, 'two'), since: at(31.5) }
  const notes = [load(1, 'one'), update(31, 'one', 'two', 2), withdrawn(32, 'one'), going]
  t.match(counts(logOf(rollback, [tab(notes, { isAuto: true })])), { windows: 1, false: 0 })
  const late = notes.map(note => (note === going ? { ...note, since: at(33) } : note))
  t.match(counts(logOf(rollback, [tab(late, { isAuto: true })])), { windows: 1, false: 1 })
  // Seen in WebKit: from the wish to the next page it took 100 ms, and the page went on hearing.
  const slow = { ...load(31.3, 'two'), since: at(31.2) }
  const heard = [load(1, 'one'), update(31, 'one', 'two', 2), withdrawn(31.05, 'one'), slow]
  t.match(counts(logOf(rollback, [tab(heard, { isAuto: true })])), { windows: 1, false: 0 })
})

t.test('a loop: two reloads by itself for one rollout', async t => {
  const notes = [
    load(1, 'one'),
    update(21, 'one', 'two', 2),
    load(22, 'one'),
    update(23, 'one', 'two', 2),
    load(24, 'one'),
  ]
  t.equal(check(logOf(rollout, [tab(notes, { isAuto: true })])).loops.length, 1)
  const renamed = notes.map(note => (note.at === at(23) ? { ...note, revision: 3 } : note))
  t.equal(
    check(logOf(rollout, [tab(renamed, { isAuto: true })])).loops.length,
    1,
    'whatever the client calls it',
  )
})

t.test('no loop: a second reload after the first was in vain, 20 s later; a third is one', async t => {
  const again = (seconds: number, brought: Name) => [
    update(seconds - 1, 'one', 'two', 2),
    load(seconds, brought),
  ]
  const loops = (...notes: Note[][]) =>
    check(logOf(rollout, [tab([load(1, 'one'), ...notes.flat()], { isAuto: true })])).loops.length
  t.equal(loops(again(22, 'one'), again(42, 'two')), 0)
  t.equal(loops(again(22, 'one'), again(41, 'two')), 1, 'too soon')
  t.equal(loops(again(22, 'one'), again(42, 'one'), again(63, 'two')), 1)
  t.equal(loops(again(22, 'two'), again(60, 'two')), 1, 'it was not in vain')
})

t.test('no loop: one reload for each of two rollouts, and those that the person wants', async t => {
  const notes = [
    load(1, 'one'),
    update(21, 'one', 'two', 2),
    load(22, 'two'),
    update(41, 'two', 'one', 3),
    load(42, 'one'),
  ]
  t.same(check(logOf(rollback, [tab(notes, { isAuto: true })])).loops, [])
  const person = tab([load(1, 'one'), load(2, 'one'), load(3, 'one')], {
    loads: [{ from: at(1.5), until: at(3) }],
  })
  t.match(counts(logOf([rollout[0]!], [person])), { loops: 0, false: 0 })
})

t.test(
  'a document that the person asked for may come late, and one that the page asked for is not excused',
  async t => {
    const loads = [{ from: at(21), until: at(30) }]
    const late = { ...load(29, 'two'), since: at(22) }
    const own = { ...load(33, 'two'), since: at(32) }
    t.match(counts(logOf(rollout, [tab([load(1, 'one'), late], { loads })])), { false: 0 })
    t.match(counts(logOf(rollout, [tab([load(1, 'one'), late, own], { loads })])), { false: 1 })
  },
)

t.test('how long it took is measured on tabs that were there, once for each', async t => {
  const visits = [
    tab([load(1, 'one'), update(21, 'one', 'two', 2), load(22, 'one'), update(28, 'one', 'two', 2)], {
      loads: [{ from: at(21.5), until: at(22) }],
    }),
    tab([load(1, 'one'), update(29, 'one', 'two', 2)], { absences: [{ from: at(15), until: at(28) }] }),
    tab([load(1, 'one'), update(22, 'one', 'two', 2)]),
  ]
  t.same(check(logOf(rollout, visits)).latencies, [1_000, 2_000])
})

t.test('a tab with an offer of what its page has become again does not know', async t => {
  const log = logOf(rollback, [tab([load(1, 'one'), update(21, 'one', 'two', 2)])])
  t.equal(knows(log, log.visits[0]!, at(25)), true)
  t.equal(knows(log, log.visits[0]!, at(45)), false)
})

function counts(log: Log) {
  const { missed, false: untrue, loops, windows, ...verdict } = check(log)
  return {
    ...verdict,
    missed: missed.length,
    false: untrue.length,
    loops: loops.length,
    windows: windows.length,
  }
}

function at(seconds: number): number {
  return seconds * 1_000
}

function world(seconds: number, template: string, serving: Name[], isComplete = true): World {
  const ids = serving.map(name => digests[name])
  return { at: at(seconds), generation: 1, template, isComplete, serving: ids, isBare: false }
}

function logOf(worlds: World[], visits: Visit[]): Log {
  return { worlds, visits, outages: [], settled: [at(100)], heldUpMs: 0, digests }
}

function tab(notes: Note[], visit: Partial<Visit> = {}): Visit {
  return { tab: 'tab', isAuto: false, from: at(0.5), notes, loads: [], absences: [], ...visit }
}

function note(seconds: number, what: Note['what'], version: string, id = '', revision = 0): Note {
  return { at: at(seconds), since: at(seconds), what, version, id, revision }
}

function load(seconds: number, version: string): Note {
  return note(seconds, 'load', version)
}

function update(seconds: number, version: string, target: Name, revision: number): Note {
  return note(seconds, 'update', version, digests[target], revision)
}

function withdrawn(seconds: number, version: string): Note {
  return note(seconds, 'withdrawn', version)
}
