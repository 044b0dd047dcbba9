// Files over node:http. Bodies are handed over as they are, so a client that reads slowly costs no memory of its own.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Files } from './files.ts'

/** Answers one request; `target` is what a router has left of its URL. */
export function serve(
  files: Files,
  request: IncomingMessage,
  response: ServerResponse,
  target = request.url ?? '',
): void {
  const { method = '', headers } = request
  const answer = files.answer({ method, target, headers })
  response.writeHead(answer.status, answer.headers)
  response.end(answer.body)
}
