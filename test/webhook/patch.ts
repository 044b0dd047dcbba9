import t from 'tap'
import { append, flawOf, replace, setMembers } from '../../webhook/patch.ts'

t.test('what is equal already is left alone', async t => {
  t.same(replace(['a'], { b: [1] }, { b: [1] }), [])
  t.same(setMembers(['a'], { b: 1 }, { b: 1 }), [])
  t.same(append(['a'], undefined, []), [])
})

t.test('what is there is tested before it is replaced', async t => {
  const operations = [
    { op: 'test', path: '/a/0', value: 1 },
    { op: 'replace', path: '/a/0', value: 2 },
  ]
  t.same(replace(['a', 0], 1, 2), operations)
  t.same(setMembers(['a'], { 0: 1 }, { 0: 2 }), operations)
})

t.test('what is not there is made', async t => {
  t.same(setMembers(['a'], undefined, { b: 1 }), [{ op: 'add', path: '/a', value: { b: 1 } }])
  t.same(setMembers(['a'], null, { b: 1 }), [{ op: 'add', path: '/a', value: { b: 1 } }])
  t.same(setMembers(['a'], {}, { toString: 1 }), [{ op: 'add', path: '/a/toString', value: 1 }])
  t.same(append(['a'], undefined, [1, 2]), [{ op: 'add', path: '/a', value: [1, 2] }])
  t.same(append(['a'], [0], [1, 2]), [
    { op: 'add', path: '/a/-', value: 1 },
    { op: 'add', path: '/a/-', value: 2 },
  ])
})

t.test('names are escaped, `~` before `/`', async t => {
  t.same(setMembers([], {}, { 'a/b~1': 1 }), [{ op: 'add', path: '/a~1b~01', value: 1 }])
})

t.test(
  'a patch that does not apply is seen, and what is said of it does not tell what the pod holds',
  async t => {
    const raw = { spec: { password: 'secret', port: 1 } }
    t.equal(flawOf(setMembers(['spec'], raw.spec, { port: 2 }), raw), undefined)
    t.same(raw.spec.port, 1, 'a copy')
    const twice = [...replace(['spec', 'port'], 1, 2), ...replace(['spec', 'port'], 1, 3)]
    t.equal(flawOf(twice, raw), 'TEST_OPERATION_FAILED at /spec/port')
    t.match(
      flawOf(setMembers(['status'], {}, { phase: 'x' }), raw),
      /^OPERATION_PATH_\S+ at \/status\/phase$/,
    )
  },
)
