// Asks one sidecar how many tabs it has. Whatever else may listen there: only a small answer of the right form counts.

import { get } from 'node:http'
import { parsePodTabs, tabsPath } from '../../protocol/tabs.ts'
import type { PodTabs } from '../../protocol/tabs.ts'

const limitMs = 2_000
const maxBytes = 512 * 1024

/** Undefined: it does not answer, or with something else. */
export function askTabs(host: string, port: number): Promise<PodTabs | undefined> {
  return new Promise(resolve => {
    let text = ''
    const request = get({ host, port, path: tabsPath, agent: false }, response => {
      if (response.statusCode !== 200) request.destroy()
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        if (text.length > maxBytes) request.destroy()
      })
      response.on('end', () => resolve(parse(text)))
    })
    const timer = setTimeout(() => request.destroy(), limitMs)
    request.on('error', () => {}) // `close` comes after it
    request.on('close', () => {
      clearTimeout(timer)
      resolve(undefined) // unless it was answered before
    })
  })
}

function parse(text: string): PodTabs | undefined {
  try {
    return parsePodTabs(JSON.parse(text))
  } catch {
    return undefined
  }
}
