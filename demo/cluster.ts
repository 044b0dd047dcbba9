// The demo's cluster, put together: API server and controllers in this process, the real webhook beside it, a kubelet, the sample
// app and the way to it. Whoever starts it closes it; the programs also end by themselves when this process is gone.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reason } from '../protocol/log.ts'
import { port as ours, systemNamespace, webhookServiceName } from '../protocol/names.ts'
import { createApi } from '../release/api.ts'
import { startApiServer } from './api-server/server.ts'
import { startBalancer } from './balancer.ts'
import { runControllers } from './controllers/loop.ts'
import { createRecorder } from './events.ts'
import { watchEndpoints } from './endpoints.ts'
import { createImages } from './images.ts'
import type { Images } from './images.ts'
import { kubeConfig } from './kube-config.ts'
import { runKubelet } from './kubelet/kubelet.ts'
import type { PodListener } from './kubelet/pod.ts'
import { install } from './manifests.ts'
import { createPorts, firstFree } from './ports.ts'
import { createShop, name, namespace } from './shop.ts'
import type { Shop } from './shop.ts'
import type { Story } from './story.ts'
import { startWebhook } from './webhook.ts'

export interface DemoCluster {
  /** Where the app is for a browser. */
  url: string
  /** Where the console is. */
  consoleUrl: string
  shop: Shop
  images: Images
  close(): Promise<void>
}

export interface DemoClusterOptions {
  /** The checkout, or a folder with the same dist/, manifests/ and demo/app/. */
  root: string
  story: Story
  /** Something has gone that nothing brings back: the cluster is of no more use. */
  onBroken(why: string): void
}

const firstPort = 8080
const crashLoop = 3

/** Resolves when the app's namespace is set up; its pods come a moment later. What was started is ended when something fails. */
export async function startCluster({ root, story, onBroken }: DemoClusterOptions): Promise<DemoCluster> {
  const closers: (() => void | Promise<void>)[] = []
  let isClosing = false
  try {
    return await start()
  } catch (error) {
    await close()
    throw error
  }

  async function start(): Promise<DemoCluster> {
    const { log } = story
    const dist = join(root, 'dist')
    const dir = mkdtempSync(join(tmpdir(), 'spa-'))
    const removeDir = () => rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
    process.once('exit', removeDir) // also when nobody closes us
    const ports = createPorts()
    const [webhookPort, consolePort] = [await ports.next(), await firstFree(ours.console, ports)]
    const server = await startApiServer({
      log,
      resolveService: (namespace, name) =>
        namespace === systemNamespace && name === webhookServiceName
          ? { host: '127.0.0.1', port: webhookPort }
          : undefined,
    })
    closers.push(() => server.close())
    const api = createApi(() => kubeConfig(server.url))
    closers.push(() => api.close())
    await install(api, join(root, 'manifests'))
    const webhook = await startWebhook({
      file: join(dist, 'webhook.js'),
      dir,
      port: webhookPort,
      consolePort,
      ports,
      url: server.url,
      api,
      onLine: story.webhook,
    })
    closers.push(async () => {
      webhook.kill()
      await webhook.ended
    })
    void webhook.ended.then(how => broken(`the webhook ${how}`))
    const controllers = runControllers({ api, log })
    closers.push(() => controllers.close())
    const page = readFileSync(join(root, 'demo/app/index.html'), 'utf8')
    const images = createImages({ dist, page })
    const heard = listen((uid, port) => kubelet.port(uid, port))
    const kubelet = runKubelet({
      api,
      images,
      ports,
      dir,
      heard,
      record: createRecorder(api, 'kubelet'),
      log,
    })
    closers.push(() => kubelet.close())
    const endpoints = watchEndpoints({ api, namespace, name, portOf: kubelet.port, log })
    closers.push(() => endpoints.close())
    const balancer = await startBalancer({ port: firstPort, endpoints: endpoints.ports })
    closers.push(() => balancer.close())
    const shop = createShop(api, images, wish => story.tell('deployment', wish))
    await shop.open()
    return { url: balancer.url, consoleUrl: `http://127.0.0.1:${consolePort}/`, shop, images, close }
  }

  function listen(portOf: (uid: string, containerPort: number) => number | undefined): PodListener {
    return {
      ready: ({ metadata }) => story.tell('kubelet', `${metadata.name} is ready`),
      ending: ({ metadata }) => story.tell('kubelet', `${metadata.name} ends`),
      line: ({ metadata: { name, uid = '' } }, line) => story.sidecar(name, portOf(uid, ours.admin), line),
      failed: ({ metadata }, error) =>
        isClosing || story.tell('problem', `${metadata.name}: ${reason(error)}`),
      crashed({ metadata }, container, how, ends) {
        story.tell('problem', `${metadata.name}: container ${container} ${how}`)
        if (ends === crashLoop) broken(`the container ${container} of ${metadata.name} does not stay up`)
      },
    }
  }

  function broken(why: string): void {
    if (!isClosing) onBroken(why)
  }

  async function close(): Promise<void> {
    isClosing = true
    for (const closer of closers.splice(0).toReversed()) await closer()
  }
}
