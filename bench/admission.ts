// What a pod waits for us at its creation: the real webhook before the demo's API server, asked over kept connections as a real API server
// would: one review after the other, and then 100 a second, whether the ones before are answered or not. The client's own share (encoding, TLS, the loop of this process) is in
// the figures, too; so are the stalls of a noisy machine: `idle` is the same rate of requests that cost nothing (/livez), in turns with the reviews.

import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { startApiServer } from '../demo/api-server/server.ts'
import { kubeConfig } from '../demo/kube-config.ts'
import { create, install } from '../demo/manifests.ts'
import { createPorts } from '../demo/ports.ts'
import { startWebhook } from '../demo/webhook.ts'
import { label } from '../protocol/names.ts'
import { createApi } from '../release/api.ts'
import { quantile, rounded } from './figures.ts'

const warmUp = 100
const n = 1_000
const perSecond = 100
const rounds = 5
const namespace = 'bench'
const labels = { 'app.kubernetes.io/instance': 'web', 'app.kubernetes.io/name': 'shop' }

/** Per request, from its first byte to the last of the answer. Throws when an answer carries no patch. */
export async function admission() {
  const dir = mkdtempSync(join(tmpdir(), 'spa-bench-'))
  const server = await startApiServer({ log: () => {} })
  const api = createApi(() => kubeConfig(server.url))
  await install(api, 'manifests')
  for (const object of objects) await create(api, object)
  const ports = createPorts()
  const port = await ports.next()
  const webhook = await startWebhook({ file: 'dist/webhook.js', dir, port, ports, url: server.url, api })
  const tls = { keepAlive: true, ca: webhook.ca, servername: 'localhost' }
  const agent = new https.Agent({ ...tls, maxSockets: 1 })
  const samples: number[] = []
  for (let sent = -warmUp; sent < n; sent += 1) {
    const body = JSON.stringify(review(randomUUID()))
    const start = performance.now()
    const isReused = await ask(agent, port, body)
    const ms = performance.now() - start
    if (sent > -warmUp && !isReused) throw new Error('the webhook did not keep the connection')
    if (sent >= 0) samples.push(ms)
  }
  agent.destroy()
  const paced: number[] = []
  const idle: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    paced.push(
      ...(await atRate(n / rounds, tls, agent => ask(agent, port, JSON.stringify(review(randomUUID()))))),
    )
    idle.push(...(await atRate(n / rounds, tls, agent => exchange(agent, port, '/livez'))))
  }
  webhook.kill()
  await webhook.ended
  api.close()
  await server.close()
  rmSync(dir, { recursive: true })
  return {
    p50_ms: rounded(quantile(samples, 0.5), 2),
    p99_ms: rounded(quantile(samples, 0.99), 2),
    n,
    paced_p50_ms: rounded(quantile(paced, 0.5), 2),
    paced_p99_ms: rounded(quantile(paced, 0.99), 2),
    idle_p50_ms: rounded(quantile(idle, 0.5), 2),
    idle_p99_ms: rounded(quantile(idle, 0.99), 2),
    node: process.version,
  }
}

/** From when each was due, so that a stall counts for all who came in it. */
async function atRate(
  count: number,
  tls: https.AgentOptions,
  send: (agent: https.Agent) => Promise<unknown>,
): Promise<number[]> {
  const agent = new https.Agent(tls)
  const start = performance.now()
  const samples = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const due = start + (index * 1_000) / perSecond
      await sleep(Math.max(0, Math.ceil(due - performance.now())))
      await send(agent)
      return performance.now() - due
    }),
  )
  agent.destroy()
  return samples
}

/** Resolves with whether the connection had been used before. */
async function ask(agent: https.Agent, port: number, body: string): Promise<boolean> {
  const { isReused, answer } = await exchange(agent, port, '/mutate', body)
  if (!answer.includes('"patch":"')) throw new Error(`no patch: ${answer}`)
  return isReused
}

function exchange(agent: https.Agent, port: number, path: string, body?: string) {
  return new Promise<{ isReused: boolean; answer: string }>((resolve, reject) => {
    const length = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body ?? '') }
    const options = body === undefined ? {} : { method: 'POST', headers: length }
    const request = https.request({ host: '127.0.0.1', port, path, agent, ...options })
    request.on('response', response => {
      text(response).then(answer => resolve({ isReused: request.reusedSocket, answer }), reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}

const objects = [
  {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels: { [label.inject]: 'enabled' } },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace },
    spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
  },
]

function review(uid: string) {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid,
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      requestKind: { group: '', version: 'v1', kind: 'Pod' },
      requestResource: { group: '', version: 'v1', resource: 'pods' },
      namespace,
      operation: 'CREATE',
      userInfo: {
        username: 'system:serviceaccount:kube-system:replicaset-controller',
        uid: '7d1c5a0e-3a0b-4f0c-8a57-6b8f3d0f2a11',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
      },
      object: pod(),
      oldObject: null,
      dryRun: false,
      options: { apiVersion: 'meta.k8s.io/v1', kind: 'CreateOptions' },
    },
  }
}

/** As `helm create` writes it and the API server completes it. */
function pod() {
  const probe = {
    httpGet: { path: '/', port: 'http', scheme: 'HTTP' },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  }
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      generateName: 'web-6c487dcc49-',
      creationTimestamp: null,
      labels: { ...labels, 'pod-template-hash': '6c487dcc49' },
      annotations: { 'checksum/config': '8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4' },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: 'web-6c487dcc49',
          uid: '0d7a3c5e-6b0f-4a3e-9a45-2f1f4c5b6a70',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      volumes: [
        {
          name: 'kube-api-access-x7k2p',
          projected: {
            sources: [
              { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
              { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
              {
                downwardAPI: {
                  items: [
                    { path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } },
                  ],
                },
              },
            ],
            defaultMode: 420,
          },
        },
      ],
      containers: [
        {
          name: 'shop',
          image: 'registry.example/shop:1.15.0',
          ports: [{ name: 'http', containerPort: 80, protocol: 'TCP' }],
          env: Array.from({ length: 12 }, (_, index) => ({ name: `SETTING_${index}`, value: 'some value' })),
          resources: { limits: { memory: '128Mi' }, requests: { cpu: '100m', memory: '128Mi' } },
          volumeMounts: [
            {
              name: 'kube-api-access-x7k2p',
              readOnly: true,
              mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
            },
          ],
          livenessProbe: probe,
          readinessProbe: probe,
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
          imagePullPolicy: 'IfNotPresent',
          securityContext: {},
        },
      ],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'web',
      serviceAccount: 'web',
      securityContext: {},
      schedulerName: 'default-scheduler',
      tolerations: ['not-ready', 'unreachable'].map(taint => ({
        key: `node.kubernetes.io/${taint}`,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 300,
      })),
      priority: 0,
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
    },
    status: {},
  }
}
