// The pod that a Deployment's ReplicaSet would make of its template, so that a Deployment can be asked about as a pod is at admission.

import { label } from '../protocol/names.ts'
import { isString } from '../protocol/release.ts'
import { object } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'
import { nextPod } from '../webhook/trial.ts'

const hash = '0' // the ReplicaSet controller's comes from the template, and decides nothing

export function podOf(deployment: Raw): Raw {
  const { template } = object(deployment.spec)
  const { metadata, spec } = object(template)
  const name = nameOf(deployment)
  return nextPod({
    metadata: { name: `${name}-${hash}`, uid: '' },
    spec: { template: { metadata: withHash(metadata), spec } },
  })
}

function withHash(metadata: unknown): Raw {
  return {
    ...object(metadata),
    labels: { ...object(object(metadata).labels), [label.podTemplateHash]: hash },
  }
}

/** Puts what was done to such a pod into the Deployment's template. */
export function withPod(deployment: Raw, { metadata, spec }: Raw): Raw {
  const { [label.podTemplateHash]: _, ...labels } = object(object(metadata).labels)
  const { annotations } = object(metadata)
  const { template } = object(deployment.spec)
  return {
    ...deployment,
    spec: {
      ...object(deployment.spec),
      template: {
        ...object(template),
        metadata: {
          ...object(object(template).metadata),
          labels,
          ...(annotations !== undefined && { annotations }),
        },
        spec,
      },
    },
  }
}

export function nameOf({ metadata }: Raw): string {
  const { name, generateName } = object(metadata)
  if (isString(name)) return name
  return isString(generateName) ? generateName : ''
}

export function annotationOf({ metadata }: Raw, key: string): string | undefined {
  const text = object(object(metadata).annotations)[key]
  return isString(text) ? text : undefined
}
