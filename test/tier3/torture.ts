// Random histories on a real cluster, with tabs in three engines: nobody is missed, nobody is told wrongly, nothing loops.
// The same thirty each time, so that a change is judged by its own doing; `npm run torture` makes up others.
// A history that fails prints its seed and all that was seen; `npm run torture -- --histories 1 --seed S` plays it again.

import t from 'tap'
import { torture } from '../../bench/torture.ts'

t.test(
  'thirty histories of rollouts and everything around them, each with ten tabs that come and go',
  async t => {
    const figures = await torture(t, 30, 871_578)
    t.comment(JSON.stringify(figures))
    t.same(figures.wrong ?? [], [])
    t.match(figures, { missed: 0, false: 0, loops: 0 })
    t.ok(figures.told > 0, 'somebody was told')
  },
)
