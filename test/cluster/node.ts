// A real Kubernetes with one node: control plane, scheduler, kubelet, containerd, kube-proxy and a registry of its own.
// All that belongs to the node runs on a machine of its own (machine.ts); the host reaches pods and ClusterIPs by routes,
// and nothing else of the host is changed. Images are pulled from our registry whatever registry their name says.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { kubernetesBinary } from './binaries.ts'
import { startControlPlane } from './control-plane.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeFolder } from './folder.ts'
import { buildImage, imageOf, pushImage } from './images.ts'
import type { Build } from './images.ts'
import { startMachine } from './machine.ts'
import type { Machine } from './machine.ts'
import { freePort, startProgram } from './process.ts'
import type { Program } from './process.ts'
import { startRegistry } from './registry.ts'
import { until } from './wait.ts'

export interface Node extends ControlPlane {
  machine: Machine
  /** Starts it again, after somebody has killed it. */
  startKubelet: () => void
  /** Builds an image and pushes it as `tag`, as manifests name it (`web:1`). Returns its digest, `sha256:…`. */
  buildImage: (build: Build & { tag: string }) => Promise<string>
  /** Pushes an image of the local store, by id, as `tag`; the tag may stand for another one until then. */
  pushImage: (id: string, tag: string) => Promise<string>
}

export const nodeName = 'node-1'
const pauseImage = 'spa-reloader-pause:1'
const containerdSocket = '/run/containerd/containerd.sock'

/** Starts it and returns once the node is ready. `log` is told of the steps and how long they took, default the console. */
export async function startNode(log: (line: string) => void = console.error): Promise<Node> {
  const dir = makeFolder()
  const start = Date.now()
  const closers: (() => Promise<unknown>)[] = []
  const step = (what: string) => log(`node: ${what} after ${((Date.now() - start) / 1_000).toFixed(1)} s`)
  try {
    return await open()
  } catch (error) {
    await stop()
    throw error
  }

  async function open(): Promise<Node> {
    const machine = await startMachine(join(dir, 'machine.log'))
    closers.push(machine.stop)
    const registry = `${machine.hostAddress}:5000`
    const { stop: stopRegistry } = await startRegistry(registry, dir)
    closers.push(stopRegistry)
    const pause = await imageOf({ '/busybox': '/bin/busybox' }, ['/busybox', 'sleep', 'infinity'])
    await pushImage(pause, registry, pathInRegistry(pauseImage))
    step('registry')
    const { hostAddress: address, serviceRange } = machine
    const cluster = await startControlPlane({ dir, address, serviceRange, nodeName })
    closers.push(cluster.stop)
    step('control plane')
    const scheduler = await startScheduler(cluster)
    closers.push(scheduler.stop)
    const { startKubelet, programs } = await startPrograms(machine, cluster, registry)
    await Promise.race([isReady(cluster), ...programs.map(program => program.failed)])
    step('node ready')
    return {
      ...cluster,
      machine,
      startKubelet,
      async buildImage({ tag, ...build }) {
        const id = await buildImage(build)
        step(`image ${tag} built`)
        const digest = await pushImage(id, registry, pathInRegistry(tag))
        step(`image ${tag} pushed`)
        return digest
      },
      pushImage: (id, tag) => pushImage(id, registry, pathInRegistry(tag)),
      stop,
    }
  }

  /** The machine first: what runs on it writes to the folder that the control plane removes. */
  async function stop(): Promise<void> {
    for (const close of closers.splice(0)) await close()
    rmSync(dir, { recursive: true, force: true })
    step('stopped')
  }
}

/** The path that containerd asks a mirror for: without the registry's name; plain names belong to Docker Hub's library. */
function pathInRegistry(tag: string): string {
  const [first, ...rest] = tag.split('/')
  if (rest.length === 0) return `library/${tag}`
  return /[.:]|^localhost$/.test(first!) ? rest.join('/') : tag
}

async function startScheduler(cluster: ControlPlane): Promise<Program> {
  const kubeconfig = cluster.kubeconfigFor('scheduler')
  const flags = [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${await freePort()}`,
    '--leader-elect=false',
  ]
  return startProgram(kubernetesBinary('kube-scheduler'), flags, {
    log: join(cluster.dir, 'kube-scheduler.log'),
  })
}

async function startPrograms(machine: Machine, cluster: ControlPlane, registry: string) {
  const { dir } = cluster
  const config = writeContainerdConfig(machine, dir, registry)
  const containerd = machine.start('containerd', ['--config', config], join(dir, 'containerd.log'))
  const answers = until('containerd', () => machine.run('ctr', ['--address', containerdSocket, 'version']))
  await Promise.race([answers, containerd.failed])
  const kubeletFlags = [
    `--config=${writeKubeletConfig(machine, dir)}`,
    `--kubeconfig=${cluster.kubeconfigFor('kubelet')}`,
    `--hostname-override=${nodeName}`,
    `--node-ip=${machine.address}`,
    `--root-dir=${join(dir, 'kubelet')}`,
    `--cert-dir=${join(dir, 'kubelet-certificates')}`,
  ]
  const proxyFlags = [
    `--kubeconfig=${cluster.kubeconfigFor('proxy')}`,
    `--hostname-override=${nodeName}`,
    '--proxy-mode=iptables',
    // These limits are the kernel's as a whole, not to be set from a network namespace.
    '--conntrack-max-per-core=0',
    '--conntrack-tcp-timeout-established=0',
    '--conntrack-tcp-timeout-close-wait=0',
  ]
  const startKubelet = () =>
    machine.start(kubernetesBinary('kubelet'), kubeletFlags, join(dir, 'kubelet.log'))
  const proxy = machine.start(kubernetesBinary('kube-proxy'), proxyFlags, join(dir, 'kube-proxy.log'))
  return { startKubelet, programs: [containerd, startKubelet(), proxy] }
}

function isReady({ api }: ControlPlane): Promise<unknown> {
  return until('the node to be ready', async () => {
    const { body } = await api<{
      status?: { conditions?: { type: string; status: string }[] }
      spec?: { taints?: unknown[] }
    }>('GET', `/api/v1/nodes/${nodeName}`)
    const ready = body.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
    return ready && !body.spec?.taints?.length
  })
}

function writeContainerdConfig({ podRange }: Machine, dir: string, registry: string): string {
  write(
    join(dir, 'cni/10-bridge.conflist'),
    JSON.stringify({
      cniVersion: '0.4.0',
      name: 'pods',
      plugins: [
        {
          type: 'bridge',
          bridge: 'cni0',
          isGateway: true,
          hairpinMode: true, // a pod may call itself by its Service
          ipam: { type: 'host-local', ranges: [[{ subnet: podRange }]], routes: [{ dst: '0.0.0.0/0' }] },
        },
        { type: 'portmap', capabilities: { portMappings: true } },
      ],
    }),
  )
  write(
    join(dir, 'mirrors/_default/hosts.toml'),
    `server = "http://${registry}"\n[host."http://${registry}"]\n  capabilities = ["pull", "resolve"]\n`,
  )
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  return write(
    join(dir, 'containerd.toml'),
    `version = 2
root = "${join(dir, 'containerd')}"
state = "/run/containerd"
[grpc]
  address = "${containerdSocket}"
[${cri}]
  sandbox_image = "docker.io/${pathInRegistry(pauseImage)}"
  # Without CAP_SYS_RESOURCE runc cannot lower it, and every pod would fail.
  restrict_oom_score_adj = true
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${cri}.cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "${join(dir, 'cni')}"
[${cri}.registry]
  config_path = "${join(dir, 'mirrors')}"
`,
  )
}

function writeKubeletConfig({ cgroup }: Machine, dir: string): string {
  return write(
    join(dir, 'kubelet.json'),
    JSON.stringify({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
      authorization: { mode: 'AlwaysAllow' },
      containerRuntimeEndpoint: `unix://${containerdSocket}`,
      cgroupDriver: 'cgroupfs',
      cgroupRoot: cgroup,
      failCgroupV1: false,
      failSwapOn: false,
      localStorageCapacityIsolation: false,
      // A full disk of the host is no reason to evict pods of a test.
      evictionHard: { 'memory.available': '0%', 'nodefs.available': '0%', 'imagefs.available': '0%' },
      imageGCHighThresholdPercent: 100,
      podLogsDir: join(dir, 'pods'),
      volumePluginDir: join(dir, 'volume-plugins'),
      resolvConf: write(join(dir, 'resolv.conf'), 'nameserver 127.0.0.1\n'), // there is no DNS, nor a way out
      serializeImagePulls: false,
    }),
  )
}

function write(file: string, content: string): string {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
  return file
}
