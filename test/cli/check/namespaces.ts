import t from 'tap'
import { checkSidecars } from '../../../cli/check/namespaces.ts'
import { list, object } from '../../../release/raw.ts'
import { admit, readGolden, settings } from '../../webhook/goldens.ts'

const { pod, context } = readGolden('helm')

t.test(
  'pods have another sidecar when another one was injected, not when a mirror is named in its place',
  async t => {
    const { patched } = admit(pod, context)
    t.same(checkSidecars([patched], settings.image), [])
    for (const container of list(object(patched.spec).containers))
      container.image = `mirror.example/${String(container.image)}`
    t.same(checkSidecars([patched], settings.image), [])
    t.match(checkSidecars([patched], 'spa-reloader-sidecar:2'), [
      { level: 'warn', text: /^1 pods have another sidecar than spa-reloader-sidecar:2/ },
    ])
  },
)
