// What is different between two pod templates, in words. Values of the environment are not told: they may be secrets.

import { isDeepStrictEqual } from 'node:util'
import { annotation, label } from '../../protocol/names.ts'
import { isString } from '../../protocol/release.ts'
import { list, object } from '../../release/raw.ts'
import type { Raw } from '../../release/raw.ts'

const restarts: ReadonlySet<string> = new Set(['kubectl.kubernetes.io/restartedAt', annotation.restarted])

/** Lines such as `image of web: web:1 → web:2`. Without a template before: what it begins with. */
export function changesOf(before: Raw | undefined, after: Raw): string[] {
  if (!before)
    return list(object(after.spec).containers).map(
      ({ name, image }) => `image of ${text(name)}: ${text(image)}`,
    )
  const [was, is] = [object(before.spec), object(after.spec)]
  const found = [
    ...containerChanges(list(was.initContainers), list(is.initContainers)),
    ...containerChanges(list(was.containers), list(is.containers)),
    ...others(was, is, ['containers', 'initContainers']),
    ...metadataChanges(object(before.metadata), object(after.metadata)),
  ]
  return [...new Set(found)]
}

function containerChanges(before: readonly Raw[], after: readonly Raw[]): string[] {
  const removed = before.filter(({ name }) => !after.some(other => other.name === name))
  return [
    ...after.flatMap(container => {
      const was = before.find(({ name }) => name === container.name)
      return was
        ? containerChange(was, container)
        : [`container ${text(container.name)} added: ${text(container.image)}`]
    }),
    ...removed.map(({ name }) => `container ${text(name)} removed`),
  ]
}

function containerChange(was: Raw, is: Raw): string[] {
  const name = text(is.name)
  return [
    ...(was.image === is.image ? [] : [`image of ${name}: ${text(was.image)} → ${text(is.image)}`]),
    ...environmentChanges(name, list(was.env), list(is.env)),
    ...others(was, is, ['name', 'image', 'env']).map(change =>
      change.replace(/ changed$/, ` of ${name} changed`),
    ),
  ]
}

function environmentChanges(container: string, before: readonly Raw[], after: readonly Raw[]): string[] {
  const names = [...new Set([...before, ...after].map(({ name }) => text(name)))]
  const changes = names.flatMap(name => {
    const was = before.find(variable => variable.name === name)
    const is = after.find(variable => variable.name === name)
    if (isDeepStrictEqual(was, is)) return []
    return [`${name} ${!was ? 'added' : !is ? 'removed' : 'changed'}`]
  })
  return changes.length === 0 ? [] : [`env of ${container}: ${changes.join(', ')}`]
}

function metadataChanges(before: Raw, after: Raw): string[] {
  const annotations = keysChanged(object(before.annotations), object(after.annotations))
  const labels = keysChanged(object(before.labels), object(after.labels))
  return [
    ...(annotations.some(key => restarts.has(key)) ? ['restarted'] : []),
    ...annotations.filter(key => !restarts.has(key)).map(key => `annotation ${key} changed`),
    ...labels.filter(key => key !== label.podTemplateHash).map(key => `label ${key} changed`),
  ]
}

function others(before: Raw, after: Raw, known: readonly string[]): string[] {
  return keysChanged(before, after)
    .filter(key => !known.includes(key))
    .map(key => `${key} changed`)
}

function keysChanged(before: Raw, after: Raw): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    key => !isDeepStrictEqual(before[key], after[key]),
  )
}

function text(data: unknown): string {
  return isString(data) ? data : ''
}
