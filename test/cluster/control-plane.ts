// A real kube-apiserver with etcd and the controller-manager, for one test: own ports, own folder, gone with the test.
// There is no kubelet and no scheduler: fake-kubelet.ts plays both, or node.ts starts the real ones.

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openApi } from './api.ts'
import type { Api } from './api.ts'
import { kubernetesBinary } from './binaries.ts'
import { makeFolder } from './folder.ts'
import { freePort, run, startProgram } from './process.ts'
import type { Program } from './process.ts'
import { until } from './wait.ts'

export interface ControlPlane {
  /** This control plane's folder: logs and configurations. Removed by `stop`. */
  dir: string
  /** The administrator's kubeconfig file. */
  kubeconfig: string
  /** https://address:port. */
  server: string
  adminToken: string
  /** The certificate to trust, PEM. */
  caFile: string
  /** Requests as the administrator. */
  api: Api['request']
  watch: Api['watch']
  /** kubectl as the administrator. Returns what it printed; rejects with what it complained of. */
  kubectl: (args: string[], stdin?: string) => Promise<string>
  /** Writes the kubeconfig of a ServiceAccount that exists, its token valid for an hour, and returns the file's path. */
  kubeconfigOf: (namespace: string, serviceAccount: string) => Promise<string>
  /** Writes the kubeconfig of one of the cluster's own components and returns the file's path. */
  kubeconfigFor: (user: ComponentUser) => string
  /**
   * Kills the API server without warning and starts it again, after `awayMs`, on the same port and the same etcd. Kubernetes' controllers are started
   * again, too, as where they lose their leases: otherwise each of their caches comes back by itself, up to a minute later.
   */
  restartApiServer: (awayMs?: number) => Promise<void>
  stop: () => Promise<void>
}

export interface ControlPlaneOptions {
  /** The address to listen on and to be reached at, default 127.0.0.1. Given by node.ts, whose pods reach it there. */
  address?: string
  /** The range of ClusterIPs, default 10.96.0.0/16. */
  serviceRange?: string
  /** This control plane's folder, default a new one. */
  dir?: string
  /** The name of the node whose kubelet may register, default none. */
  nodeName?: string
}

/** Component → the name that RBAC's bootstrap policy grants its rights to. */
const componentUsers = {
  controllerManager: 'system:kube-controller-manager',
  scheduler: 'system:kube-scheduler',
  proxy: 'system:kube-proxy',
  kubelet: 'system:node',
} as const
export type ComponentUser = keyof typeof componentUsers

/** Starts a control plane and returns once it answers and its own namespaces are there. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const { address = '127.0.0.1', serviceRange = '10.96.0.0/16', nodeName } = options
  const dir = options.dir ?? makeFolder()
  const [etcdPort, peerPort, apiPort, managerPort] = await Promise.all([1, 2, 3, 4].map(freePort))
  const server = `https://${address}:${apiPort}`
  const caFile = join(dir, 'apiserver.crt') // kube-apiserver makes it, the certificate of its authority included
  const tokens = writeCredentials(dir, nodeName)
  const programs: Program[] = []
  try {
    return await start()
  } catch (error) {
    await stop()
    throw error
  }

  async function start(): Promise<ControlPlane> {
    const etcd = startProgram('etcd', etcdFlags(dir, etcdPort, peerPort), { log: join(dir, 'etcd.log') })
    programs.push(etcd)
    let apiServer = startApiServer()
    await Promise.race([isReady(), etcd.failed, apiServer.failed])
    const managerFlags = controllerManagerFlags({
      dir,
      kubeconfig: kubeconfigFor('controllerManager'),
      port: managerPort,
      monitorsNodes: nodeName !== undefined,
    })
    let manager = startManager()
    const api = openApi(server, tokens.admin, readFileSync(caFile, 'utf8'))
    const isPopulated = until('the controller-manager', async () => {
      const { status } = await api.request('GET', '/api/v1/namespaces/default/serviceaccounts/default')
      return status === 200
    })
    await Promise.race([isPopulated, manager.failed])
    const kubeconfig = writeKubeconfig('admin', tokens.admin)
    return {
      dir,
      kubeconfig,
      server,
      adminToken: tokens.admin,
      caFile,
      api: api.request,
      watch: api.watch,
      kubectl: (args, stdin = '') =>
        run(kubernetesBinary('kubectl'), args, { stdin, env: { KUBECONFIG: kubeconfig } }),
      kubeconfigOf,
      kubeconfigFor,
      async restartApiServer(awayMs = 0) {
        await Promise.all([apiServer, manager].map(end))
        await delay(awayMs)
        apiServer = startApiServer()
        await Promise.race([isReady(), apiServer.failed])
        manager = startManager()
      },
      async stop() {
        api.close()
        await stop()
      },
    }

    function startManager(): Program {
      const program = startProgram(kubernetesBinary('kube-controller-manager'), managerFlags, {
        log: join(dir, 'kube-controller-manager.log'),
      })
      programs.push(program)
      return program
    }

    async function kubeconfigOf(namespace: string, serviceAccount: string): Promise<string> {
      const { status, body } = await api.request<{ status: { token: string } }>(
        'POST',
        `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
        { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3_600 } },
      )
      if (status !== 201)
        throw new Error(`no token for ${namespace}/${serviceAccount}: ${JSON.stringify(body)}`)
      return writeKubeconfig(`${namespace}-${serviceAccount}`, body.status.token)
    }
  }

  function startApiServer(): Program {
    const flags = apiServerFlags({ dir, address, serviceRange, port: apiPort, etcdPort })
    const program = startProgram(kubernetesBinary('kube-apiserver'), flags, {
      log: join(dir, 'kube-apiserver.log'),
    })
    programs.push(program)
    return program
  }

  function isReady(): Promise<unknown> {
    return until('the API server', async () => {
      if (!existsSync(caFile)) return false
      const api = openApi(server, tokens.admin, readFileSync(caFile, 'utf8'))
      try {
        return (await api.request('GET', '/readyz')).status === 200
      } finally {
        api.close()
      }
    })
  }

  function kubeconfigFor(user: ComponentUser): string {
    return writeKubeconfig(user, tokens[user])
  }

  function writeKubeconfig(name: string, token: string): string {
    const file = join(dir, `${name}.kubeconfig`)
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster: { server, 'certificate-authority': caFile } }],
      users: [{ name, user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: name } }],
      'current-context': 'test',
    }
    writeFileSync(file, JSON.stringify(kubeconfig), { mode: 0o600 }) // JSON is YAML
    return file
  }

  async function end(program: Program): Promise<void> {
    programs.splice(programs.indexOf(program), 1)
    await program.stop()
  }

  async function stop(): Promise<void> {
    await Promise.all(programs.map(program => program.stop()))
    rmSync(dir, { recursive: true, force: true })
  }
}

function writeCredentials(dir: string, nodeName: string | undefined) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  writeFileSync(join(dir, 'service-account.key'), privateKey, { mode: 0o600 })
  writeFileSync(join(dir, 'service-account.pub'), publicKey)
  const tokens = {
    admin: token(),
    controllerManager: token(),
    scheduler: token(),
    proxy: token(),
    kubelet: token(),
  }
  const { controllerManager, scheduler, proxy, kubelet } = componentUsers
  const rows = [
    [tokens.admin, 'admin', '1', 'system:masters'],
    [tokens.controllerManager, controllerManager, '2'],
    [tokens.scheduler, scheduler, '3'],
    [tokens.proxy, proxy, '4'],
    ...(nodeName ? [[tokens.kubelet, `${kubelet}:${nodeName}`, '5', 'system:nodes']] : []),
  ]
  writeFileSync(join(dir, 'tokens.csv'), rows.map(row => `${row.join(',')}\n`).join(''), { mode: 0o600 })
  return tokens
}

function token(): string {
  return randomBytes(16).toString('hex')
}

function etcdFlags(dir: string, port: number | undefined, peerPort: number | undefined): string[] {
  return [
    `--data-dir=${join(dir, 'etcd')}`,
    `--listen-client-urls=http://127.0.0.1:${port}`,
    `--advertise-client-urls=http://127.0.0.1:${port}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    '--unsafe-no-fsync', // nothing here outlives the test
  ]
}

function apiServerFlags(server: {
  dir: string
  address: string
  serviceRange: string
  port: number | undefined
  etcdPort: number | undefined
}): string[] {
  const { dir, address, serviceRange, port, etcdPort } = server
  const isLoopback = address.startsWith('127.')
  return [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    `--bind-address=${address}`,
    `--secure-port=${port}`,
    `--cert-dir=${dir}`,
    // Endpoints of the Service `kubernetes` may not be loopback addresses; without a node nobody calls it (RFC 5737).
    ...(isLoopback
      ? ['--advertise-address=192.0.2.1', '--endpoint-reconciler-type=none']
      : [`--advertise-address=${address}`]),
    `--service-cluster-ip-range=${serviceRange}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    `--token-auth-file=${join(dir, 'tokens.csv')}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${join(dir, 'service-account.pub')}`,
    `--service-account-signing-key-file=${join(dir, 'service-account.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--profiling=false',
  ]
}

function controllerManagerFlags(manager: {
  dir: string
  kubeconfig: string
  port: number | undefined
  monitorsNodes: boolean
}): string[] {
  const { dir, kubeconfig, port, monitorsNodes } = manager
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${join(dir, 'controller-manager')}`,
    '--leader-elect=false',
    '--horizontal-pod-autoscaler-sync-period=1s',
    '--use-service-account-credentials',
    // It asks for a token for each of its controllers; at its default rate starting takes 5 s.
    '--kube-api-qps=500',
    '--kube-api-burst=500',
    `--service-account-private-key-file=${join(dir, 'service-account.key')}`,
    `--root-ca-file=${join(dir, 'apiserver.crt')}`,
    // A fake node sends no heartbeats; its pods would be marked as not ready after 50 s.
    ...(monitorsNodes ? [] : ['--controllers=*,-node-lifecycle-controller']),
  ]
}
