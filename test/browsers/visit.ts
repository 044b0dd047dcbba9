// A first visit to a page in Chromium, by its DevTools protocol: all that came over the wire for it, and what the console said.

import type { Browser } from 'puppeteer-core'

export interface Answer {
  /** The status line and the header lines as they came, in order. */
  head: string[]
  /** Without its content coding. */
  body: Buffer
}

export interface Visit {
  /** By path, the page's own among them. */
  answers: Map<string, Answer>
  /** Whatever the console shows, and requests that failed. */
  complaints: string[]
}

/** With an empty cache. Resolves when nothing has been on its way for half a second. */
export async function visit(browser: Browser, url: string): Promise<Visit> {
  const context = await browser.createBrowserContext()
  try {
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', message => complaints.push(`${message.type()}: ${message.text()}`))
    page.on('pageerror', error => complaints.push(String(error)))
    page.on('requestfailed', request => complaints.push(`${request.url()}: ${request.failure()?.errorText}`))
    const session = await page.createCDPSession()
    const paths = new Map<string, string>() // by the number of the request
    const heads = new Map<string, string>()
    session.on('Network.requestWillBeSent', ({ requestId, request }) => {
      if (request.url.startsWith(url)) paths.set(requestId, new URL(request.url).pathname)
    })
    session.on('Network.responseReceivedExtraInfo', ({ requestId, headersText = '' }) =>
      heads.set(requestId, headersText),
    )
    await session.send('Network.enable')
    await page.goto(url, { waitUntil: 'networkidle0', timeout: 60_000 })
    const answers = new Map<string, Answer>()
    for (const [requestId, path] of paths) {
      const { body, base64Encoded } = await session.send('Network.getResponseBody', { requestId })
      const head = (heads.get(requestId) ?? '').trimEnd().split('\r\n')
      answers.set(path, { head, body: Buffer.from(body, base64Encoded ? 'base64' : 'utf8') })
    }
    return { answers, complaints }
  } finally {
    await context.close()
  }
}
