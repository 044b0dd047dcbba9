// A worker as Workbox's generateSW writes it, bundled with the version's HASH and its MODE: `prompt` waits until its app tells it to come,
// `auto` takes over at once.

import { createHandlerBoundToURL, precacheAndRoute } from 'workbox-precaching'
import { NavigationRoute, registerRoute } from 'workbox-routing'

if (MODE === 'auto') {
  skipWaiting()
  addEventListener('activate', event => event.waitUntil(clients.claim()))
}
addEventListener('message', ({ data }) => data?.type === 'SKIP_WAITING' && skipWaiting())
precacheAndRoute([{ url: '/index.html', revision: HASH }])
registerRoute(new NavigationRoute(createHandlerBoundToURL('/index.html')))
