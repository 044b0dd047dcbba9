// What the demo's team does, on an API that has one Deployment.

import t from 'tap'
import { createImages } from '../../demo/images.ts'
import { createShop, imageOf } from '../../demo/shop.ts'
import type { ApiRequest } from '../../release/api.ts'

t.test('what is not in the registry is not pushed again', async t => {
  const images = createImages({ dist: '', page: '' })
  const sent: ApiRequest[] = []
  const said: string[] = []
  let image = imageOf('missing')
  const shop = createShop(
    {
      async request(request) {
        sent.push(request)
        return {
          status: 200,
          headers: {},
          body: { spec: { template: { spec: { containers: [{ image }] } } } },
        }
      },
      stream: () => Promise.reject(new Error('not asked in this test')),
      close: () => {},
    },
    images,
    wish => said.push(wish),
  )
  await shop.pushAgain()
  t.same(said, [`${image} is not in the registry: it cannot be pushed again`])
  t.notOk(
    sent.some(({ method }) => method === 'PATCH'),
    'and nothing is restarted',
  )
  image = imageOf(1)
  const before = images.digest(image)
  await shop.pushAgain()
  t.not(images.digest(image), before)
  t.ok(sent.some(({ method }) => method === 'PATCH'))
})
