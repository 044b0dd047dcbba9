// What Prometheus is told about admissions, and about what fails beside them. The labels are bounded: no pod, Deployment or namespace is named.

import { Counter, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'
import type { Reason } from './reasons.ts'

export type Result = 'injected' | 'unchanged' | 'skipped' | 'failed'
/** Our own. */
const failures = ['context', 'internal'] as const
/** '' where there is nothing to explain. */
export type ResultReason = Reason | (typeof failures)[number] | ''

export interface Metrics {
  admitted(result: Result, reason: ResultReason, seconds: number): void
  reconcileFailed(): void
}

export function createMetrics(registry: Registry): Metrics {
  const injections = new Counter({
    name: 'spa_reloader_injection_total',
    help: 'Pods that came to admission, by what became of them. Dry runs are not counted.',
    labelNames: ['result', 'reason'],
    registers: [registry],
  })
  for (const reason of failures) injections.inc({ result: 'failed', reason }, 0) // increase() does not see a series begin
  const duration = new Histogram({
    name: 'spa_reloader_admission_duration_seconds',
    help: 'Time from the parsed review to its answer.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 3], // the API server gives up after 3 s
    registers: [registry],
  })
  const failed = new Counter({
    name: 'spa_reloader_failed_reconciles_total',
    help: 'Times that a Deployment could not be looked after; it is tried again.',
    registers: [registry],
  })
  return {
    reconcileFailed: () => failed.inc(),
    admitted(result, reason, seconds) {
      injections.inc({ result, reason })
      duration.observe(seconds)
    },
  }
}
