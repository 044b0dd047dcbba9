import t from 'tap'
import { isImmutable } from '../../static/immutable.ts'

t.test(
  'names that are made of their content are known, and words and numbers are not taken for such',
  async t => {
    for (const path of [
      'assets/index-BpZ1z3aQ.js', // Vite
      'assets/index-B_Z1z-aQ.js',
      'main-5HG7AQJX.js', // Angular
      'static/js/main.3f2a91bc.chunk.js', // webpack
      'static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg',
      'assets/3f2a91bc0d.woff2',
      'a/runtime~main.3f2a91bc.js.map',
      '_next/static/chunks/main.js',
      'shop/_app/immutable/entry/start.js',
    ])
      t.ok(isImmutable(path), path)
    for (const path of [
      '',
      'main.js',
      'assets/autocomplete.js',
      'jquery-3.7.1.min.js',
      'app.serviceWorker.js',
      'icons/hero-DarkMode.png',
      'fonts/font-OpenSans700.woff2',
      'fonts/Inter400.woff2',
      'fonts/IBM-PlexSansCondensedBold.woff2',
      'img/logo-1024x1024.png',
      'img/video_1920x1080.mp4',
      'report-20240101.pdf',
      'report-2024-01-01.pdf',
      'lib-web3modal.js',
      'three.r152module.js',
      'lib-bootstrap5.js',
      'messages_v1_2_3_4.json',
      '3f2a91bc0d/main.js',
      'users/3f2a91bc',
      'my_app/immutable.js',
    ])
      t.notOk(isImmutable(path), path)
  },
)
