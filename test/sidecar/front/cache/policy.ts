import t from 'tap'
import { isFingerprinted } from '../../../../sidecar/front/cache/policy.ts'

t.test('code and fonts whose names are made of their content are known', async t => {
  for (const target of [
    '/assets/index-BpZ1z3aQ.js', // Vite
    '/assets/index-B_Z1z-aQ.js',
    '/assets/my-long-name-B_Z1z-aQ.css?v=1',
    '/_astro/hoisted.BpZ1z3aQ.js',
    '/static/js/main.3f2a91bc.chunk.js', // webpack
    '/static/js/787.3f2a91bc.chunk.js.map',
    '/main.3f2a91bc0d112233.js',
    '/a/runtime~main.3f2a91bc.js.map',
    '/main-5HG7AQJX.js', // Angular, esbuild
    '/chunk-ABCDEF2H.js',
    '/_next/static/chunks/framework-2c79e2a64abdb08b.js',
    '/index.3f2a91bc.css', // Parcel
    '/assets/application-6ce24c58023cc2f8fd88fe9d219db6c66ce24c58023cc2f8fd88fe9d219db6c6.js', // Rails
    '/fonts/inter-3f2a91bc0d.woff2',
    '/core.3f2a91bc.wasm',
    '/modules/x.3f2a91bc.mjs',
  ])
    t.ok(isFingerprinted(target), target)
})

t.test('words, numbers, ids, and whatever may be one user’s own, are not taken for such', async t => {
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
    '/api/currentUser.json',
    '/api/currentUser.js',
    '/js/app-userData.js',
    '/js/get-userInfo.js',
    '/js/lib-web3core.js',
    '/js/app-SETTINGS.js',
    '/js/report-20240131.js',
    '/carts/507f1f77bcf86cd799439011.js',
    '/listOrders.do',
    '/avatar_7.png',
    '/avatar-507f1f77bcf86cd799439011.png',
    '/photo.3f2a91bc.jpg',
    '/static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg',
    '/report_1.csv',
    '/report-BpZ1z3aQ.pdf',
    '/orders-BpZ1z3aQ.json',
    '/IMG_20240131.jpg',
    '/me-BpZ1z3aQ.js/../../api/me',
    '/api/me#x-BpZ1z3aQ.js',
  ])
    t.notOk(isFingerprinted(target), target)
})
