import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { tmpdir } from 'node:os'
import t from 'tap'
import { readFolder } from '../../static/folder.ts'
import { run } from '../cluster/process.ts'
import type { Test } from 'tap'

const limits = { maxBytes: 1024 * 1024, maxFiles: 10 }

function folder(t: Test, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'spa-folder-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

const read = (root: string, its = limits) =>
  Object.fromEntries([...readFolder(root, its)].map(([path, body]) => [path, body.toString()]))

t.test('every file by its path, but for what begins with a dot', async t => {
  const root = folder(t, {
    'index.html': 'page',
    'assets/a/b.js': 'b',
    '.env': 'SECRET',
    '.git/config': 'SECRET',
    'assets/.htaccess': 'SECRET',
    '.well-known/security.txt': 'contact',
    empty: '',
  })
  t.same(read(root), {
    'index.html': 'page',
    'assets/a/b.js': 'b',
    '.well-known/security.txt': 'contact',
    empty: '',
  })
})

t.test('links inside are followed, as a ConfigMap volume is made of them', async t => {
  const root = folder(t, { '..2026_11_28/index.html': 'page', '..2026_11_28/assets/a.js': 'a' })
  symlinkSync('..2026_11_28', join(root, '..data'))
  symlinkSync('..data/index.html', join(root, 'index.html'))
  symlinkSync('..data/assets', join(root, 'assets'))
  t.same(read(root), { 'index.html': 'page', 'assets/a.js': 'a' })
})

t.test('links that lead out or round, and those that lead nowhere, stop the start', async t => {
  const secret = folder(t, { token: 'SECRET' })
  const cases: [target: string, error: RegExp][] = [
    [join(secret, 'token'), /link leads out of/],
    [secret, /link leads out of/],
    ['../..', /link leads out of/],
    ['.', /link leads back to where it is/],
    ['gone', /ENOENT.*link/],
  ]
  for (const [target, error] of cases) {
    const root = folder(t, { 'index.html': 'page' })
    symlinkSync(target, join(root, 'link'))
    t.throws(() => read(root), error, target)
  }
  const sibling = folder(t, { 'site/index.html': 'page', 'site-secret/token': 'SECRET' })
  symlinkSync('../site-secret', join(sibling, 'site/link'))
  t.throws(() => read(join(sibling, 'site')), /leads out of/)
})

t.test('a folder that is itself a link is read', async t => {
  const root = folder(t, { 'site/index.html': 'page' })
  symlinkSync('site', join(root, 'current'))
  t.same(read(join(root, 'current')), { 'index.html': 'page' })
})

t.test('too much stops the start, and the error says what', async t => {
  const root = folder(t, { a: 'x'.repeat(600_000), b: 'x'.repeat(500_000) })
  t.throws(() => read(root), /has more than 1 MiB of files/)
  t.ok(read(root, { ...limits, maxBytes: 1_100_000 }))
  const many = folder(t, Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`${i}`, ''])))
  t.throws(() => read(many), /has more than 10 files/)
  t.throws(() => read('/nowhere'), /ENOENT/)
})

t.test('pipes are no files, and what cannot be read stops the start', async t => {
  const root = folder(t, { 'index.html': 'page' })
  await run('mkfifo', [join(root, 'pipe')])
  t.same(read(root), { 'index.html': 'page' })
  writeFileSync(join(root, 'locked'), '')
  chmodSync(join(root, 'locked'), 0)
  if (process.getuid?.() !== 0) t.throws(() => read(root), /EACCES.*locked/)
})
