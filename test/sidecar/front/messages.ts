// Makes streams of requests: from a grammar that knows where servers have disagreed, then cut and mangled. Each seed makes the same.

import { seeded } from './reader.ts'

const methods = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'GET', 'POST']
const lengths = [
  '0',
  '3',
  '5',
  '03',
  '+3',
  '-1',
  '3,3',
  '0x3',
  '3 ',
  ' 3',
  '',
  '3;',
  '3\t',
  '9007199254740993',
]
const codings = ['chunked', 'Chunked', ' chunked', 'chunked ', 'xchunked', 'chunked, chunked', 'identity', 'gzip, chunked', '\x0bchunked', '"chunked"', 'chunked;q=1', 'chunked,', ', chunked', '', 'cow'] // prettier-ignore
const lengthNames = ['Content-Length', 'content-length', 'Content-Length ', 'Content_Length', ' Content-Length', 'Content-Length\t', 'Content-Length\0', 'X: y\nContent-Length', 'X: y\rContent-Length'] // prettier-ignore
const codingNames = ['Transfer-Encoding', 'transfer-encoding', 'Transfer-Encoding ', 'Transfer_Encoding', ' Transfer-Encoding', '\xa0Transfer-Encoding', 'X: y\r\rTransfer-Encoding', 'X:\r\n Transfer-Encoding'] // prettier-ignore
const others = ['X: y', 'Cookie: a=b', 'Connection: keep-alive', 'Connection: close', 'Connection: close, x', 'Host: b', 'X-Odd:\t"\xe9"', 'X', ': x', 'Accept: text/html', 'X:', 'TE: trailers', 'Content-Type: text/plain'] // prettier-ignore
const hosts = [
  'Host: a',
  'Host: a:80',
  'host:a',
  'Host:  a ',
  'Host: a b',
  'Host: a/b',
  'Host: [::1]',
  'Host:',
  '',
]
const sizes = ['3', '03', '3;x', '3;x="y"', '3 ', ' 3', '0x3', '+3', '3\t', '3;', '3;\t', '3;x\n', 'g', '', '3\r', '3 ;x', '00000000000000003', '3;x=\0', '-3', '3;x=y;z', '3;x=', '3;x= y', '3;x="\\""', '3;x="\r\n"', '3;=y'] // prettier-ignore
const ends = ['\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n', ' \r\n', '']
const trailers = [
  '',
  '',
  '',
  'X: y\r\n',
  'X : y\r\n',
  ' X: y\r\n',
  'X: y\n',
  'Content-Length: 5\r\n',
  ':\r\n',
]
const odd = ['\0', '\r', '\n', ' ', '\t', ':', ';', ',', '0', 'F', '-', '\xff', '\x7f', '\r\n', '\r\n\r\n', 'Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n', 'GET /x HTTP/1.1\r\n'] // prettier-ignore

/** The last request of every stream: whoever has lost count of the bytes before it does not see it, or sees it twice. */
export const sentinel = 'GET /sentinel HTTP/1.1\r\nHost: a\r\n\r\n'

/** Returns what makes the next stream of bytes, as a latin1 text. */
export function createMessages(seed: number): () => string {
  const random = seeded(seed)
  const below = (n: number): number => Math.floor(random() * n)
  const chance = (share: number): boolean => random() < share
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!
  /** Mostly the first, which is sound; else any. */
  const mostly = (from: readonly string[], share = 0.8): string => (chance(share) ? from[0]! : pick(from))

  return () => {
    let text = ''
    for (let n = 1 + below(2); n > 0; n--) text += request(n)
    text += sentinel
    for (let n = chance(0.4) ? 1 + below(2) : 0; n > 0; n--) {
      const at = below(text.length)
      text = text.slice(0, at) + (chance(0.2) ? '' : pick(odd)) + text.slice(at + below(2))
    }
    return text
  }

  function request(n: number): string {
    const method = mostly(chance(0.5) ? ['GET'] : ['POST', ...methods])
    const version = mostly(['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/1.01', 'HTTP/11', 'http/1.1', 'HTTP/2.0'], 0.9) // prettier-ignore
    const lines = [mostly(hosts, 0.85)]
    const body = below(4)
    let content = ''
    if (body === 1 || chance(0.05)) lines.push(`${mostly(lengthNames)}:${mostly([' ', '', '\t', '  '])}${mostly(['3', ...lengths])}`) // prettier-ignore
    if (body === 1) content = 'abc'
    if (body === 2 || chance(0.05)) lines.push(`${mostly(codingNames)}: ${mostly(codings)}`)
    if (body === 2) content = chunks()
    for (let more = below(3); more > 0; more--) lines.splice(below(lines.length + 1), 0, pick(others))
    const head = [`${method} /${n} ${version}`, ...lines.filter(line => line !== '')]
    return `${head.map(line => line + (chance(0.97) ? '\r\n' : pick(ends))).join('')}\r\n${content}`
  }

  function chunks(): string {
    let text = ''
    for (let n = below(3); n > 0; n--)
      text += `${mostly(sizes)}${mostly(ends)}${mostly(['abc', 'ab', 'abcd', 'a\r\n'])}${mostly(ends)}`
    return `${text}${mostly(['0', '000', '0;x', '0 ', '', '-0', '0x0'])}${mostly(ends)}${pick(trailers)}${mostly(ends)}`
  }
}
