// What a request is answered with. A refusal's body is a Status object, whose reason clients go by.

import { qualified } from './resources.ts'
import type { Resource } from './resources.ts'

export interface Answer {
  code: number
  body: unknown
}

export function ok(body: unknown): Answer {
  return { code: 200, body }
}

export function refuse(code: number, reason: string, message: string): Answer {
  return {
    code,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code },
  }
}

export function notFound(resource: Resource, name: string): Answer {
  return refuse(404, 'NotFound', `${qualified(resource)} "${name}" not found`)
}

export function alreadyExists(resource: Resource, name: string): Answer {
  return refuse(409, 'AlreadyExists', `${qualified(resource)} "${name}" already exists`)
}

export function conflict(resource: Resource, name: string): Answer {
  const advice = 'the object has been modified; please apply your changes to the latest version and try again'
  return refuse(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${advice}`,
  )
}

export function badRequest(message: string): Answer {
  return refuse(400, 'BadRequest', message)
}

export function success(): Answer {
  return ok({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' })
}

export function isRefusal(value: object): value is Answer {
  return 'code' in value && 'body' in value
}
