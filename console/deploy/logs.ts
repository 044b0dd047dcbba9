// The open logs: for each deployment that somebody reads, one set of watches, whoever reads; what is found out anew is told, and at the end all go.

import type { ServerResponse } from 'node:http'
import type { ConsoleApp, ConsoleDeploy, DeployLogEvent, DeployLogLine } from '../../protocol/console.ts'
import type { Log } from '../../protocol/log.ts'
import { reason } from '../../protocol/log.ts'
import type { Api } from '../../release/api.ts'
import type { ReleaseRecord } from '../../release/record.ts'
import { createChannel } from '../channel.ts'
import type { Channel, Told } from '../channel.ts'
import type { Limits } from '../reader.ts'
import { findDeploy } from './deploys.ts'
import { followApp } from './follow.ts'
import { compareLines, deployLog } from './log.ts'
import { createOutputs } from './output.ts'

export interface LogsOptions {
  api: Api
  log: Log
  now(): Date
  /** What the controller's copies say of it; undefined where there is no such Deployment. */
  present(namespace: string, name: string): { app: ConsoleApp; record: ReleaseRecord | undefined } | undefined
  /** The last lines of containers that have ended may be read. */
  readsOutput: boolean
  limits?: Partial<Limits>
}

export interface AppId {
  namespace: string
  name: string
}

export interface DeployId extends AppId {
  revision: number
}

export interface Logs {
  /** Answers with the stream; false: there is no such deployment, and nothing was answered. */
  open(id: DeployId, response: ServerResponse): Promise<boolean>
  /** The controller's copies of it have moved. */
  moved(namespace: string, name: string | undefined): void
  beat(data: string): void
  close(last: () => string): void
}

const gatherMs = 200
const settleMs = 3_000 // Events of the last moments come a little later than what they tell of
const lingerMs = 5_000 // a reader who comes back meets the same watches
const linesAtOnce = 500

export function createLogs(options: LogsOptions): Logs {
  const open = new Map<string, OpenLog>()
  return { open: openFor, moved, beat, close }

  async function openFor(id: DeployId, response: ServerResponse): Promise<boolean> {
    const key = formatId(id)
    let found = open.get(key)
    if (!found) {
      found = openLog(options, id, () => open.delete(key))
      open.set(key, found)
    }
    return found.read(response)
  }

  function moved(namespace: string, name: string | undefined): void {
    for (const [key, { moved }] of open)
      if (key.startsWith(name === undefined ? `${namespace}/` : `${namespace}/${name}@`)) moved()
  }

  function beat(data: string): void {
    for (const { channel } of open.values()) channel.beat(data)
  }

  function close(last: () => string): void {
    for (const { channel, close } of open.values()) {
      channel.close(last)
      close()
    }
  }
}

/** Takes `namespace/name@revision`. */
export function parseDeployId(text: string): DeployId | undefined {
  const [, namespace, name, revision] = /^([^/@]+)\/([^/@]+)@(\d{1,9})$/.exec(text) ?? []
  return namespace && name ? { namespace, name, revision: Number(revision) } : undefined
}

/** Takes `namespace/name`. */
export function parseAppId(text: string): AppId | undefined {
  const [, namespace, name] = /^([^/@]+)\/([^/@]+)$/.exec(text) ?? []
  return namespace && name ? { namespace, name } : undefined
}

function formatId({ namespace, name, revision }: DeployId): string {
  return `${namespace}/${name}@${revision}`
}

interface OpenLog {
  channel: Channel
  read(response: ServerResponse): Promise<boolean>
  moved(): void
  close(): void
}

function openLog(options: LogsOptions, id: DeployId, onClosed: () => void): OpenLog {
  const { api, log, now, present, readsOutput, limits } = options
  const { namespace, name, revision } = id
  const told = new Map<string, DeployLogLine>()
  const outputs = readsOutput ? createOutputs({ api, log, onRead: moved }) : undefined
  const follower = followApp({ api, log }, namespace, name, moved)
  const channel = createChannel({ snapshot, onReaders, ...(limits && { limits }) })
  let deploy: ConsoleDeploy | undefined
  let gathering: NodeJS.Timeout | undefined
  let settling: NodeJS.Timeout | undefined
  let lingering: NodeJS.Timeout | undefined
  let isClosed = false
  return { channel, read, moved, close }

  async function read(response: ServerResponse): Promise<boolean> {
    const isThere = await follower.synced.catch(() => false)
    if (isThere && !deploy) look()
    if (!deploy || isClosed) {
      close()
      return false
    }
    if (response.destroyed) linger()
    else channel.open(response)
    if (isOver()) end()
    else settle()
    return true
  }

  function moved(): void {
    if (!deploy) return
    gathering ??= setTimeout(() => {
      lookAgain()
      settle()
    }, gatherMs)
  }

  function lookAgain(): void {
    clearTimeout(gathering)
    gathering = undefined
    try {
      channel.publish(look().map(event => JSON.stringify(event)))
    } catch (error) {
      log('deploy log failed', { deploy: formatId(id), reason: reason(error) })
    }
  }

  /** Returns what is new. */
  function look(): DeployLogEvent[] {
    const facts = follower.facts()
    const known = present(namespace, name)
    const found = facts && known && findDeploy(facts, revision, known)
    if (!found) {
      if (!deploy || deploy.status === 'superseded') return []
      deploy = { ...deploy, status: 'superseded' } // nothing else is left to tell
      return [{ type: 'deploy_status', payload: deploy }]
    }
    const output =
      outputs?.of(facts.pods.filter(({ pod }) => pod.controller?.uid === found.set.uid)) ?? new Map()
    const fresh = deployLog({ ...facts, ...found, record: known.record, output }).filter(isNews)
    for (const line of fresh) told.set(line.id, line)
    const isOther = JSON.stringify(deploy) !== JSON.stringify(found.deploy)
    deploy = found.deploy
    return [
      ...batches(fresh).map((payload): DeployLogEvent => ({ type: 'deploy_log', payload })),
      ...(isOther ? [{ type: 'deploy_status' as const, payload: deploy }] : []),
    ]
  }

  function isNews(line: DeployLogLine): boolean {
    return JSON.stringify(told.get(line.id)) !== JSON.stringify(line)
  }

  /** Nothing may move any more once it is complete, so the end is looked for by the clock. */
  function settle(): void {
    if (deploy?.status !== 'complete' && deploy?.status !== 'superseded') return
    settling ??= setTimeout(() => {
      settling = undefined
      lookAgain()
      if (isOver()) end()
      else settle()
    }, settleMs)
  }

  function isOver(): boolean {
    if (deploy?.status === 'superseded') return true
    return deploy?.status === 'complete' && now().getTime() - Date.parse(deploy.finishedAt) >= settleMs
  }

  function end(): void {
    if (!deploy) return
    const event: DeployLogEvent = { type: 'end', payload: { status: deploy.status } }
    channel.close(() => `id: ${endId}\ndata: ${JSON.stringify(event)}\n\n`)
    linger()
  }

  function* snapshot(): Generator<Told> {
    if (!deploy) return
    yield { data: JSON.stringify({ type: 'reset', payload: { deploy } } satisfies DeployLogEvent), id: '' }
    const lines = [...told.values()].toSorted(compareLines)
    for (const payload of batches(lines))
      yield { data: JSON.stringify({ type: 'deploy_log', payload } satisfies DeployLogEvent) }
  }

  function onReaders(count: number): void {
    if (count > 0) clearTimeout(lingering)
    else linger()
  }

  function linger(): void {
    clearTimeout(lingering)
    lingering = setTimeout(close, lingerMs).unref()
  }

  function close(): void {
    if (isClosed) return
    isClosed = true
    for (const timer of [gathering, settling, lingering]) clearTimeout(timer)
    void follower.close()
    onClosed()
  }
}

/** The id of the last event of a log: a browser that comes back with it has heard everything. */
export const endId = 'end'

function batches(lines: readonly DeployLogLine[]): DeployLogLine[][] {
  const all: DeployLogLine[][] = []
  for (let i = 0; i < lines.length; i += linesAtOnce) all.push(lines.slice(i, i + linesAtOnce))
  return all
}
