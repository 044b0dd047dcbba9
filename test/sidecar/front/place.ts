import t from 'tap'
import { placeOfMeta } from '../../../sidecar/front/place.ts'

/** Shows the page with `|` at the place. */
function placed(page: string, isCharsetKnown = false, isWhole = true): string {
  const bytes = Buffer.from(page, 'latin1')
  const place = placeOfMeta(bytes, isWhole, isCharsetKnown)
  return typeof place === 'number' ? `${page.slice(0, place)}|${page.slice(place)}` : place
}

t.test('it stands in the head, behind the page’s word on its charset', async t => {
  for (const page of [
    '<!doctype html><html lang="a>b"><head prefix=x>|<title>a</title>',
    '\xef\xbb\xbf <!-- <head> --> <!DOCTYPE HTML PUBLIC "x">\n<HTML>\n<HEAD>|<script></script>',
    '<!doctype html><head><meta charset="utf-8">|<script>',
    '<!doctype html><head><!-- <meta charset=x> --><title>a > b</title><link a><meta http-equiv=Content-Type content="text/html; charset=utf-8">|',
    '<!doctype html>|<title>no tag of its own</title>',
    '<!doctype html>|<body>',
    '<html>|<p>',
  ])
    t.equal(placed(page.replace('|', '')), page)
})

t.test('a charset that would be moved, or is not found, is left where it is', async t => {
  const page = `<!doctype html><head>|<script>'</script><meta charset=x>`
  t.equal(placed(page.replace('|', '')), 'nowhere')
  t.equal(placed(page.replace('|', ''), true), page)
})

t.test('a part of a page, and what is not read by single bytes, is left alone', async t => {
  for (const page of [
    '<div>a</div>',
    'text',
    '<svg>',
    '',
    '<!-- a -->',
    '\xff\xfe<\0h\0',
    '\xfe\xff\0<',
    '<\0!\0',
  ])
    t.equal(placed(page), 'nowhere', JSON.stringify(page))
})

t.test('until enough has come it is not known', async t => {
  const page = '<!doctype html><html><head><meta charset=utf-8><title>'
  const end = page.indexOf('<title>')
  for (let length = 0; length < end; length++)
    t.equal(placed(page.slice(0, length), false, false), 'more', `${length}`)
  t.equal(placed(page.slice(0, end), false, false), `${page.slice(0, end)}|`)
  t.equal(placed(`<!doctype html><!--${'x'.repeat(9_000)}`, false, false), 'nowhere')
})
