// Capture `redirect`: an init container sets one rule in the pod's own network, by which the kernel leads to the front what comes from outside
// for the app's port. It needs NET_ADMIN, so it is added only where the installation and the Pod Security of the namespace let it.

import { annotation, label, redirectContainerName, sidecarEnv } from '../protocol/names.ts'
import type { Situation } from './capture.ts'
import { secretsMount } from './container.ts'
import { append, setMembers } from './patch.ts'
import type { Operation } from './patch.ts'
import type { Plan } from './plan.ts'
import { list, object } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'
import { resources } from './resources.ts'
import type { Amounts } from './resources.ts'

/** `labelled`: where the namespace's label says `privileged`. `on`: also where it has no such label, so that the cluster's default applies. */
export const redirectSettings = ['off', 'labelled', 'on'] as const
export type RedirectSetting = (typeof redirectSettings)[number]

/** Whether a namespace admits the init container; undefined where the installation does not want it at all. */
export type Redirect = 'admitted' | 'refused' | undefined

/** Takes the setting, and what the Namespace says. */
export function redirectIn(
  setting: RedirectSetting,
  { labels, annotations }: Record<'labels' | 'annotations', Record<string, string>>,
): Redirect {
  if (setting === 'off') return undefined
  // OpenShift's default SecurityContextConstraints refuse NET_ADMIN whatever the label says.
  if (Object.hasOwn(annotations, annotation.openshiftUserIds)) return 'refused'
  const level = labels[label.podSecurity] ?? (setting === 'on' ? 'privileged' : undefined)
  return level === 'privileged' ? 'admitted' : 'refused'
}

export function fitsRedirect({ redirect }: Situation): boolean {
  return redirect === 'admitted'
}

/** Builds the init container, without its resources; undefined with another capture. Throws when there is no image for it. */
export function redirectContainer(plan: Plan, image: string | undefined): Raw | undefined {
  if (plan.capture !== 'redirect') return undefined
  if (image === undefined) throw new Error('there is no image for the redirect')
  return {
    name: redirectContainerName,
    image,
    imagePullPolicy: 'IfNotPresent',
    env: [
      { name: sidecarEnv.appPort, value: String(plan.app.port) },
      { name: sidecarEnv.frontPort, value: String(plan.front) },
    ],
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      // A capability that is added reaches the processes of root only.
      runAsNonRoot: false,
      runAsUser: 0,
      runAsGroup: 0,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [secretsMount(plan)],
  }
}

/**
 * After the others', which it has nothing to do with, and before a native sidecar: what a pod must have is reckoned with the native ones that an init container
 * comes after (KEP-753), so beside the sidecar that it makes room for it costs nothing. It has as much, so that a LimitRange that takes the one takes the other. An
 * unchanged one is left as others may have changed it.
 */
export function placeRedirect(
  pod: Raw,
  container: Raw | undefined,
  amounts: Amounts,
  isUnchanged: boolean,
): Operation[] {
  if (!container) return []
  const { initContainers } = object(pod.spec)
  const present = list(initContainers)
  const index = present.findIndex(({ name }) => name === redirectContainerName)
  if (index === -1)
    return append(['spec', 'initContainers'], initContainers, [
      { ...container, resources: resources(pod, amounts) },
    ])
  return isUnchanged ? [] : setMembers(['spec', 'initContainers', index], present[index], container)
}
