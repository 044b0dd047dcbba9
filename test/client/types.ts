// What an app's compiler sees of the package: declarations that stand alone, without Node's types.

import t from 'tap'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

const app = `
import { createSpaReloader } from './client/index.js'
import type { SpaState, Guard } from './client/index.js'

const reloader = createSpaReloader({ auto: false, env: { random: Math.random } })
reloader.addEventListener('update', event => {
  const { target, rollback }: SpaState = event.detail
  console.log(target?.id, target?.name, target?.revision, rollback)
})
reloader.addEventListener('anything', (event: Event) => console.log(event.type))
const unsubscribe: () => void = reloader.subscribe(state => console.log(state.status === 'update'))
const guard: Guard = async ({ status }) => status === 'update'
reloader.guard(guard)
const isOffered: Promise<boolean> = reloader.check()
const isLeft: Promise<boolean> = reloader.reload({ url: '/', force: true })
reloader.stop()
// @ts-expect-error: the state cannot be changed
reloader.state.status = 'current'
// @ts-expect-error: there is no such status
if (reloader.state.status === 'lost') console.log()
// @ts-expect-error: a guard answers yes or no
reloader.guard(() => 'no')
export { unsubscribe, isOffered, isLeft }
`

t.test('an app in strict mode compiles against the declarations, and is held to them', async t => {
  const dir = t.testdir({ 'app.ts': app, 'package.json': '{"type":"module"}' })
  for (const folder of ['client', 'protocol'])
    cpSync(join('dist', folder), join(dir, folder), { recursive: true })
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    types: [],
  }
  const consumer = ts.createProgram([join(dir, 'app.ts')], options)
  t.same(messages(ts.getPreEmitDiagnostics(consumer)), [], 'an app of it')
})

t.test('the package is found by each way of looking for it that a compiler has', async t => {
  const { exports, types } = JSON.parse(readFileSync('package.json', 'utf8'))
  const dir = t.testdir({
    'package.json': '{"type":"module"}',
    node_modules: {
      'spa-reloader': {
        'package.json': JSON.stringify({ name: 'spa-reloader', type: 'module', exports, types }),
        dist: { client: { 'index.d.ts': '' } },
      },
    },
  })
  for (const moduleResolution of ['NodeNext', 'Bundler', 'Node10'] as const) {
    const options = { moduleResolution: ts.ModuleResolutionKind[moduleResolution] }
    const found = ts.resolveModuleName('spa-reloader', join(dir, 'app.ts'), options, ts.sys)
    t.match(
      found.resolvedModule?.resolvedFileName,
      /spa-reloader\/dist\/client\/index\.d\.ts$/,
      moduleResolution,
    )
  }
})

function messages(diagnostics: readonly ts.Diagnostic[]): string[] {
  return diagnostics.map(({ file, messageText }) => {
    return `${file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
}
