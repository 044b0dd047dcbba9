// `check`: the installation, then each labelled namespace. Exit code 1 as soon as one thing does not work.

import { isRefused, orRefused } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import { readSettings } from '../settings.ts'
import { lineOf, skip, warn } from './finding.ts'
import type { Finding } from './finding.ts'
import { checkInstallation } from './installation.ts'
import { checkNamespace, labelledNamespaces } from './namespaces.ts'

export interface CheckOptions {
  /** Only this one; undefined: each one that is labelled. */
  namespace: string | undefined
  systemNamespace: string
}

/** `version` is this command's. Resolves with the exit code. */
export async function check(
  cluster: Cluster,
  { namespace, systemNamespace }: CheckOptions,
  version: string,
  print: (line: string) => void,
): Promise<0 | 1> {
  let failed = false
  const unread: string[] = []
  const settings = await readSettings(cluster, systemNamespace, unread)
  const findings = await checkInstallation(cluster, systemNamespace, version)
  tell('installation', [...findings, ...unread.map(skip)])
  const named = namespace === undefined ? await orRefused(labelledNamespaces(cluster)) : [namespace]
  if (isRefused(named)) tell('namespaces', [skip(`${named.refused}: name one with -n`)])
  else if (named.length === 0)
    tell('namespaces', [
      warn('none carries the label: kubectl label namespace <name> spa-reloader.io/inject=enabled'),
    ])
  else
    for (const one of named)
      tell(`namespace ${one}`, await checkNamespace({ ...cluster, namespace: one }, settings))
  return failed ? 1 : 0

  function tell(title: string, findings: readonly Finding[]): void {
    print(title)
    for (const finding of findings) print(lineOf(finding))
    failed ||= findings.some(({ level }) => level === 'fail')
  }
}
