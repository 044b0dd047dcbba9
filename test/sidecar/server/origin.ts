import t from 'tap'
import { isOwnOrigin } from '../../../sidecar/server/origin.ts'

t.test('a handshake from a page of this site, or from no browser, is let in', async t => {
  const own: [origin: string, host: string, forwardedHost?: string][] = [
    ['', 'shop.example'],
    ['https://shop.example', 'shop.example'],
    ['http://localhost:8080', 'localhost:8080'],
    ['https://shop.example', 'SHOP.example'],
    ['https://shop.example', 'shop.example:443'],
    ['http://shop.example', 'shop.example:80'],
    ['http://[::1]:8080', '[::1]:8080'],
    ['https://shop.example', 'web.shop.svc', 'shop.example'],
    ['https://shop.example', 'web.shop.svc', 'shop.example, inner.proxy'],
  ]
  for (const [origin, host, forwarded = ''] of own) {
    t.ok(isOwnOrigin(origin, host, forwarded), `${origin} at ${host} ${forwarded}`)
  }
})

t.test('a handshake from anywhere else is not', async t => {
  const foreign: [origin: string, host: string, forwardedHost?: string][] = [
    ['null', 'shop.example'],
    ['null', 'null'],
    ['https://evil.example', 'shop.example'],
    ['https://shop.example.evil.example', 'shop.example'],
    ['https://shop.example:8443', 'shop.example'],
    ['https://shop.example', 'shop.example:80'],
    ['https://evil.example', 'web.shop.svc', 'shop.example, evil.example'],
    ['https://evil.example', 'shop.example@evil.example'],
    ['https://evil.example', 'evil.example/shop.example'],
    ['https://', ''],
    ['garbage', 'garbage'],
    ['file://', ''],
    ['https://shop.example', ''],
  ]
  for (const [origin, host, forwarded = ''] of foreign) {
    t.notOk(isOwnOrigin(origin, host, forwarded), `${origin} at ${host} ${forwarded}`)
  }
})
