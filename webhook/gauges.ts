// What Prometheus is told of the controller, worked out when it asks.

import { X509Certificate } from 'node:crypto'
import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'

export interface Gauges {
  /** Pods that should have the sidecar and do not. */
  missed(): number
  /** Pods that the release state could not be written on. */
  untold(): number
  /** Deployments whose new pods are left alone. */
  broken(): number
  isLeading(): boolean
  /** Why it cannot answer the API server yet. */
  unready(): string | undefined
  /** PEM: what the API server is shown, and who signed it. */
  certificates(): Record<'leaf' | 'authority', string>
}

/** Registers them. Those of the controller are 0 on a replica that does not lead: add them up. */
export function registerGauges(
  registry: Registry,
  { missed, untold, broken, isLeading, unready, certificates }: Gauges,
): void {
  gauge('spa_reloader_missed_pods', 'Pods that should have the sidecar and do not.', missed)
  gauge(
    'spa_reloader_untold_pods',
    'Pods whose tabs are not told, because the API server refuses it.',
    untold,
  )
  gauge('spa_reloader_open_breakers', 'Deployments whose new pods come without the sidecar.', broken)
  gauge('spa_reloader_ready', '1 once the webhook can answer the API server.', () =>
    Number(unready() === undefined),
  )
  gauge('spa_reloader_leading', '1 on the replica that writes.', () => Number(isLeading()))
  void new Gauge({
    name: 'spa_reloader_certificate_expiry_timestamp_seconds',
    help: 'When the certificate ends, in seconds since 1970: of the server, and of its authority.',
    labelNames: ['certificate'],
    registers: [registry],
    collect() {
      for (const [certificate, pem] of Object.entries(certificates()))
        this.set({ certificate }, Date.parse(new X509Certificate(pem).validTo) / 1_000)
    },
  })

  function gauge(name: string, help: string, value: () => number): void {
    const collect = function (this: Gauge): void {
      this.set(value())
    }
    void new Gauge({ name, help, registers: [registry], collect })
  }
}
