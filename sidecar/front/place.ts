// Where in a page a <meta> can stand so that it changes nothing else: in the head, and behind the page's own word on its charset, which
// browsers look for in the first 1,024 bytes only (https://html.spec.whatwg.org/#determining-the-character-encoding).

const charsetBytes = 1_024
const maxBytes = 8_192

/**
 * Takes the first bytes of a page, whether they are all of it, and whether its charset is known from its Content-Type.
 * Returns the offset; 'more' when it takes more bytes to tell; 'nowhere' when this is a part of a page, or a head that is out of the ordinary.
 */
export function placeOfMeta(
  page: Buffer,
  isWhole: boolean,
  isCharsetKnown: boolean,
): number | 'more' | 'nowhere' {
  if (isWide(page)) return 'nowhere'
  const short = isWhole || page.length > maxBytes ? 'nowhere' : 'more'
  const text = page.toString('latin1', 0, maxBytes)
  let at = text.startsWith('\xef\xbb\xbf') ? 3 : 0
  let isPage = false
  for (;;) {
    const item = nextItem(text, at)
    if (item === undefined) return short
    if (/^<(?:!doctype\s+html|html|head)[\s/>]/i.test(item.text)) isPage = true
    else if (!item.text.startsWith('<!--')) break // the head begins without its tag
    at = item.end
    if (/^<head[\s/>]/i.test(item.text)) break
  }
  if (!isPage) return 'nowhere'
  return behindCharset(text, at, isCharsetKnown) ?? (isWhole ? at : short)
}

/** UTF-16 by its byte order mark, or by the look of its first character. */
function isWide(page: Buffer): boolean {
  return page.length >= 2 && (page[0] === 0 || page[1] === 0 || page[0]! >= 0xfe)
}

function behindCharset(text: string, start: number, isCharsetKnown: boolean): number | 'nowhere' | undefined {
  let at = start
  while (at < charsetBytes) {
    const item = nextItem(text, at)
    if (item === undefined) return undefined
    if (/^<meta\b/i.test(item.text)) {
      if (/\bcharset\s*=/i.test(item.text)) return item.end
    } else if (!/^<(?:!--|link\b|base\b|title>|\/title>)/i.test(item.text)) {
      // Anything else may hold a text that only looks like a tag.
      const isSaidLater = /charset/i.test(text.slice(item.end, charsetBytes))
      return isSaidLater && !isCharsetKnown ? 'nowhere' : start
    }
    at = item.end
    if (/^<title>/i.test(item.text)) {
      const end = text.indexOf('<', at)
      if (end === -1) return undefined
      at = end
    }
  }
  return start
}

/** The tag, comment or piece of text that follows after white space; undefined when it is not whole. */
function nextItem(text: string, from: number): { text: string; end: number } | undefined {
  const start = from + /^\s*/.exec(text.slice(from))![0].length
  if (start === text.length) return undefined
  let end = start + 1
  if (text.startsWith('<!--', start)) {
    end = text.indexOf('-->', start + 4)
    return end === -1 ? undefined : { text: text.slice(start, end + 3), end: end + 3 }
  }
  if (text[start] !== '<') return { text: text[start]!, end }
  for (let quote = ''; end < text.length; end++) {
    const character = text[end]!
    if (quote !== '') quote = character === quote ? '' : quote
    else if (character === '>') return { text: text.slice(start, end + 1), end: end + 1 }
    else if (character === '"' || character === "'") quote = character
  }
  return undefined
}
