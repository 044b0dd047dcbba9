import t from 'tap'
import { readConfig } from '../../webhook/config.ts'

const image = { SPA_SIDECAR_IMAGE: 'registry.example/spa-reloader-sidecar:0.1.0' }

t.test('the sidecar image is required, everything else has a default', async t => {
  t.same(readConfig(image), {
    sidecarImage: image.SPA_SIDECAR_IMAGE,
    sidecarDrainSec: undefined,
    sidecarSizes: { cpu: undefined, cpuLimit: undefined, memory: undefined, memoryLimit: undefined },
    redirect: 'off',
    redirectImage: undefined,
    sidecarForm: 'auto',
    imagePullSecrets: [],
    systemNamespace: 'spa-reloader',
    tlsDir: undefined,
    drainSec: 100,
    port: 10250,
    metricsPort: 9464,
    consolePort: 8090,
    consoleHosts: [],
    consolePodLogs: false,
  })
  for (const text of ['off', '0'])
    t.equal(readConfig({ ...image, SPA_CONSOLE_PORT: text }).consolePort, undefined)
  t.match(readConfig({ ...image, SPA_SIDECAR_DRAIN_SEC: '0', SPA_WEBHOOK_PORT: '8443' }), {
    sidecarDrainSec: 0,
    port: 8443,
  })
  t.match(readConfig({ ...image, SPA_SIDECAR_FORM: 'plain', SPA_IMAGE_PULL_SECRETS: 'a, b.example,' }), {
    sidecarForm: 'plain',
    imagePullSecrets: ['a', 'b.example'],
  })
})

t.test('what sidecars have is kept as it is written', async t => {
  const { sidecarSizes } = readConfig({
    ...image,
    SPA_SIDECAR_CPU: '0.05',
    SPA_SIDECAR_CPU_LIMIT: '',
    SPA_SIDECAR_MEMORY: '256Mi',
  })
  t.same(sidecarSizes, { cpu: '0.05', cpuLimit: undefined, memory: '256Mi', memoryLimit: undefined })
})

t.test('a redirect wants an image', async t => {
  t.throws(() => readConfig({ ...image, SPA_REDIRECT: 'labelled' }), /SPA_REDIRECT_IMAGE/)
  const redirect = { SPA_REDIRECT: 'on', SPA_REDIRECT_IMAGE: 'registry.example/spa-reloader-redirect:0.1.0' }
  t.match(readConfig({ ...image, ...redirect }), {
    redirect: 'on',
    redirectImage: redirect.SPA_REDIRECT_IMAGE,
  })
})

t.test('a missing or wrong variable is named', async t => {
  const wrong: Record<string, string | undefined>[] = [
    { SPA_SIDECAR_IMAGE: undefined },
    { SPA_SIDECAR_IMAGE: '' },
    { SPA_SIDECAR_DRAIN_SEC: '-1' },
    { SPA_SIDECAR_DRAIN_SEC: '5s' },
    { SPA_SIDECAR_DRAIN_SEC: '3601' }, // the sidecar would stop at its start
    { SPA_WEBHOOK_DRAIN_SEC: '-5' },
    { SPA_SIDECAR_CPU: '0' },
    { SPA_SIDECAR_CPU_LIMIT: '5m' },
    { SPA_SIDECAR_MEMORY: '128m' },
    { SPA_SIDECAR_MEMORY: '-128Mi' },
    { SPA_SIDECAR_MEMORY_LIMIT: '80Mi' },
    { SPA_SIDECAR_MEMORY_LIMIT: '128Mi', SPA_SIDECAR_MEMORY: '256Mi' },
    { SPA_REDIRECT: 'yes' },
    { SPA_SIDECAR_FORM: 'init' },
    { SPA_IMAGE_PULL_SECRETS: 'a,B' },
    { SPA_WEBHOOK_PORT: '65536' },
    { SPA_METRICS_PORT: 'http' },
    { SPA_CONSOLE_PORT: 'on' },
  ]
  for (const variables of wrong) {
    const [name] = Object.keys(variables)
    t.throws(
      () => readConfig({ ...image, ...variables }),
      { message: new RegExp(name!) },
      JSON.stringify(variables),
    )
  }
})
