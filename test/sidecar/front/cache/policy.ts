import t from 'tap'
import { isFingerprinted } from '../../../../sidecar/front/cache/policy.ts'

t.test('names that are made of their content are known', async t => {
  for (const target of [
    '/assets/index-BpZ1z3aQ.js', // Vite
    '/assets/index-BpzAqxyz.css?v=1',
    '/static/js/main.3f2a91bc.chunk.js', // webpack
    '/static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg',
    '/main-5HG7AQJX.js', // Angular
    '/_next/static/chunks/framework-2c79e2a64abdb08b.js',
    '/assets/3f2a91bc0d.woff2',
    '/a/runtime~main.3f2a91bc.js.map',
  ])
    t.ok(isFingerprinted(target), target)
  for (const target of [
    '/',
    '/main.js',
    '/assets/autocomplete.js',
    '/jquery-3.7.1.min.js',
    '/jquery-autocomplete.js',
    '/service-worker.js',
    '/3f2a91bc0d/main.js',
    '/main.js?h=3f2a91bc',
    '/users/3f2a91bc',
  ])
    t.notOk(isFingerprinted(target), target)
})
