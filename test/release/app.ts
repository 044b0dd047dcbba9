import t from 'tap'
import {
  appContainer,
  findApp,
  frontingServices,
  kindOf,
  routesOf,
  versionContainers,
} from '../../release/app.ts'
import { parseDeployment, parsePodSpec, parseService } from '../../release/objects.ts'
import type { Service } from '../../release/objects.ts'

const labels = { app: 'web' }

/** `pod('nginx:http=8080,metrics=9113', 'api:3000')`: containers with their ports. */
function pod(...containers: string[]) {
  return { labels, spec: parsePodSpec({ containers: containers.map(container) }) }
}

function container(text: string) {
  const [name, ports = ''] = text.split(':')
  return {
    name,
    image: `${name}:1`,
    ports: ports
      .split(',')
      .filter(port => port !== '')
      .map(port => {
        const [left = '', right] = port.split('=')
        const [number, protocol = 'TCP'] = (right ?? left).split('/')
        return { ...(right && { name: left }), containerPort: Number(number), protocol }
      }),
  }
}

interface PortFacts {
  targetPort?: string | number
  name?: string
  appProtocol?: string
  protocol?: string
}

function service(name: string, ...ports: PortFacts[]): Service {
  const spec = { selector: labels, ports: ports.map(port => ({ port: 80, ...port })) }
  return parseService({ metadata: { name }, spec })!
}

const web = (targetPort: string | number) => service('web', { targetPort })

t.test('the app is the container whose port the Service targets', async t => {
  const twoContainers = pod('exporter:metrics=9113', 'nginx:http=8080')
  const app = { container: 'nginx', port: 8080, portName: 'http' }
  t.same(findApp(twoContainers, [web('http')]), { app, ignored: [] }, 'by name')
  t.same(findApp(twoContainers, [web(8080)]), { app, ignored: [] }, 'by number')
  t.same(
    findApp(pod('nginx'), [web(8080)]),
    { app: { container: 'nginx', port: 8080, portName: '' }, ignored: [] },
    'by a number that the only container does not declare',
  )
})

t.test('a name that two containers declare means the first, as for Kubernetes', async t => {
  const found = findApp(pod('a:http=1', 'b:http=2'), [web('http')])
  t.match(found, { app: { container: 'a', port: 1 } })
})

t.test('our own container is never the app', async t => {
  t.equal(appContainer(template(['spa-reloader:http=14020', 'nginx:http=80']), [web('http')]), 'nginx')
  t.same(findApp(pod('spa-reloader:spa-admin=14021', 'nginx'), []), { none: 'no-service', ignored: [] })
})

t.test(
  'of several ports the one that looks like a front door is the app, in whatever order Services come',
  async t => {
    const containers = pod('api:grpc=9000,admin=9001', 'nginx:http=8080,http-metrics=9113', 'extra:http2x=1')
    const services = [
      service('a', { targetPort: 'grpc' }, { targetPort: 'admin' }),
      service('b', { targetPort: 'http-metrics' }),
      service('c', { targetPort: 'http' }),
      service('d', { targetPort: 1 }),
    ]
    const app = { container: 'nginx', port: 8080 }
    t.match(findApp(containers, services), { app })
    t.match(findApp(containers, services.toReversed()), { app })
    t.same(
      routesOf(containers, services).map(({ app }) => app.port),
      [8080, 1, 9001, 9000],
      'front door, unknown, side door, other protocols',
    )
  },
)

t.test('without a Service the only named TCP port says enough', async t => {
  t.match(findApp(pod('nginx:http=8080,8081,dns=53/UDP'), []), { app: { container: 'nginx', port: 8080 } })
  t.match(findApp(pod('nginx:http=8080,status=8081'), []), { none: 'no-service' })
  t.match(findApp(pod('nginx:8080'), []), { none: 'no-service' })
  const other = { ...web('http'), selector: { app: 'other' } }
  t.match(findApp(pod('nginx:8080'), [other]), { none: 'no-service' }, 'a Service that selects others')
})

t.test('what is for machines is as if it was not there', async t => {
  const app = { container: 'nginx', port: 8080 }
  for (const name of ['metrics', 'http-metrics', 'prometheus', 'http-envoy-prom', 'health', 'Probe']) {
    t.match(findApp(pod(`nginx:http=8080,${name}=9113`), []), { app }, name)
    t.match(
      findApp(pod(`nginx:http=8080,${name}=9113`), [web(name)]),
      { app },
      `${name}, and a Service for it`,
    )
    t.match(findApp(pod(`nginx:${name}=9113`), [web(9113)]), { none: 'no-service' }, `${name} alone`)
  }
  const named = service('metrics', { name: 'metrics', targetPort: 'exporter' })
  t.match(findApp(pod('nginx:80', 'e:exporter=1,x=2'), [named]), { none: 'no-service' }, 'by its Service')
  t.match(findApp(pod('nginx:80', 'e:exporter=1,x=2'), [named, web(80)]), { app: { container: 'nginx' } })
})

t.test('the Services by which browsers come are those that lead to the port of the app', async t => {
  const fronting = (containers: string[], ...services: Service[]) =>
    frontingServices(template(containers), services).map(({ name }) => name)
  const metrics = service('metrics', { name: 'metrics', targetPort: 9113 })
  const preview = service('preview', { targetPort: 8080 }, { targetPort: 9113 })
  const api = service('api', { targetPort: 3000 })
  const containers = ['nginx:http=8080,9113', 'api:3000']
  t.same(
    fronting(containers, metrics, web('http'), api, preview),
    ['web', 'preview'],
    'by name and by number',
  )
  t.same(fronting(containers, metrics), [], 'it is known by its name, too')
  t.same(fronting(containers, service('headless'), web('http')), ['web'], 'one without ports leads to none')
  t.same(fronting(['nginx:http=8080'], service('metrics', { name: 'metrics', targetPort: 'http' })), [], 'nor do metrics on the port of the app') // prettier-ignore
  t.same(fronting(['a', 'b'], web(80), metrics), ['web'], 'where nothing tells the port')
  t.same(fronting(['a', 'b'], { ...web(80), selector: { app: 'other' } }), [])
  t.same(
    frontingServices(template(containers, { 'spa-reloader.io/port': '3000' }), [web('http'), api, metrics]),
    [api],
    'an annotation goes first',
  )
})

t.test('the app of a template that was injected as a file is found where it stood before', async t => {
  const status = { container: 'nginx', port: 8080, portName: 'http', front: 14020 }
  const containers = ['nginx:http=14020,exporter=9113', 'api:rest=3000', 'spa-reloader:spa-admin=14021']
  const injected = (annotations = {}) =>
    template(containers, { 'spa-reloader.io/status': JSON.stringify(status), ...annotations })
  const services = [web('http'), { ...web(8080), name: 'direct' }, { ...web('exporter'), name: 'exporter' }]
  const number = { 'spa-reloader.io/port': '8080' }
  for (const annotations of [
    {},
    number,
    { ...number, 'spa-reloader.io/container': 'nginx' },
    { 'spa-reloader.io/port': 'http' },
  ]) {
    const fronting = frontingServices(injected(annotations), services)
    t.same(
      fronting.map(({ name }) => name),
      ['web', 'direct'],
      JSON.stringify(annotations),
    )
  }
  t.equal(appContainer(injected(number), []), 'nginx', 'where no Service leads to it, too')
  for (const text of ['', 'null', '{"container":"nginx"}', JSON.stringify({ ...status, port: '8080' })])
    t.same(
      frontingServices(injected({ 'spa-reloader.io/status': text }), [web('http')]),
      [web('http')],
      `a status that is none: ${text}`,
    )
})

t.test('a port that no container declares is the app’s, where an annotation says so', async t => {
  const annotations = { 'spa-reloader.io/container': 'web', 'spa-reloader.io/port': '8080' }
  const exporter = { ...web('exporter'), name: 'exporter' }
  const udp = service('udp', { targetPort: 8080, protocol: 'UDP' })
  for (const containers of [
    ['web', 'api:3000'],
    ['web:exporter=9113', 'api:3000'],
    ['api:8080', 'web:exporter=9113'], // one network, so it can be the app alone that is there
  ])
    t.same(frontingServices(template(containers, annotations), [web(8080), exporter, udp]), [web(8080)])
})

t.test('a Service that leads nowhere is told apart from none', async t => {
  t.match(findApp(pod('nginx:8080'), [web('http')]), { none: 'port-not-found' })
  t.match(findApp(pod('a:1', 'b:2'), [web(8080)]), { none: 'port-not-found' })
  t.match(findApp(pod('nginx:8080'), [service('web', { targetPort: 8080, protocol: 'UDP' })]), {
    none: 'udp',
  })
})

t.test('options go first, and one that fits nothing is ignored and reported', async t => {
  const containers = pod('nginx:http=8080,admin=8081', 'api:rest=3000')
  const services = [web('http')]
  const find = (options: object) => findApp(containers, services, options)
  t.same(find({ port: 'rest' }), { app: { container: 'api', port: 3000, portName: 'rest' }, ignored: [] })
  t.same(find({ port: '8081' }), { app: { container: 'nginx', port: 8081, portName: 'admin' }, ignored: [] })
  t.match(find({ container: 'api' }), { app: { container: 'api', port: 3000 }, ignored: [] })
  t.match(find({ container: 'nginx', port: 'rest' }), { app: { port: 8080 }, ignored: ['port'] })
  t.match(find({ container: 'api', port: '4000' }), { app: { container: 'api', port: 4000, portName: '' } })
  t.match(find({ container: 'apache' }), { app: { container: 'nginx' }, ignored: ['container'] })
  for (const port of ['', '0', '65536', '-1', '80 ', '1e3', 'HTTP'])
    t.match(find({ port }), { app: { port: 8080 }, ignored: ['port'] }, JSON.stringify(port))
})

t.test('an annotation names the container also where nothing leads to it', async t => {
  t.equal(appContainer(template(['nginx:80', 'b:80']), []), undefined, 'nothing tells')
  t.equal(appContainer(template(['a:1', 'b:2']), [], { 'spa-reloader.io/container': 'b' }), 'b', 'a default')
  t.equal(
    appContainer(template(['a:1', 'b:2', 'c:3'], { 'spa-reloader.io/container': 'c' }), [], {
      'spa-reloader.io/container': 'b',
    }),
    'c',
  )
})

t.test(
  'what a port speaks is told by appProtocol, then by its own name, then by the name at the Service',
  async t => {
    for (const name of ['http', 'http-web', 'web', 'www', 'HTTP', 'http1', 'ws'])
      t.equal(kind(name), 'http', name)
    for (const name of ['https', 'grpc', 'grpc-api', 'h2c', 'http2', 'mysql', 'redis', 'tls-web'])
      t.equal(kind(name), 'other', name)
    for (const name of ['admin', 'http-status', 'debug']) t.equal(kind(name), 'side', name)
    for (const name of ['', 'app', 'node', 'port-1', 'httpx']) t.equal(kind(name), 'unknown', name)
    t.equal(kind('http', 'https'), 'http', 'a load balancer ends TLS before the pod')
    t.equal(kind('app', 'https'), 'other')
    t.equal(kind('http', 'http', 'kubernetes.io/h2c'), 'other')
    t.equal(kind('https', 'https', 'http'), 'http')
    t.equal(kind('app', '', 'kubernetes.io/ws'), 'http')
    t.equal(kindOf({ portName: 'http' }), 'http', 'without a Service')
  },
)

function template(containers: string[], annotations = {}) {
  const template = { metadata: { labels, annotations }, spec: { containers: containers.map(container) } }
  return parseDeployment({ metadata: { name: 'web' }, spec: { template } })!.template
}

function kind(portName: string, name = '', appProtocol = '') {
  return kindOf({ portName }, service('web', { name, appProtocol }).ports[0])
}

t.test('an init container that brings the files of the app is part of the version', async t => {
  const pod = (annotations = {}) => ({
    labels: { app: 'web' },
    annotations,
    spec: parsePodSpec({
      initContainers: [
        { name: 'assets', image: 'assets:1', volumeMounts: [{ name: 'html' }] },
        { name: 'wait', image: 'busybox', volumeMounts: [{ name: 'scripts' }] },
        { name: 'migrate', image: 'migrate:1' },
        { name: 'logs', image: 'fluent-bit', restartPolicy: 'Always', volumeMounts: [{ name: 'html' }] },
      ],
      containers: [
        { name: 'metrics', image: 'exporter', ports: [{ name: 'metrics', containerPort: 9090 }] },
        {
          name: 'nginx',
          image: 'nginx',
          ports: [{ name: 'http', containerPort: 80 }],
          volumeMounts: [{ name: 'html' }, { name: 'scripts' }],
        },
      ],
      volumes: [
        { name: 'html', emptyDir: {} },
        { name: 'scripts', configMap: { name: 'scripts' } },
      ],
    }),
  })
  const services = [web('http')]
  t.same(versionContainers(pod(), services), ['nginx', 'assets'])
  t.same(versionContainers(pod({ 'spa-reloader.io/version': 'assets' }), services), ['assets'])
  t.same(versionContainers(pod({ 'spa-reloader.io/version': 'nginx, migrate' }), []), ['nginx', 'migrate'])
  t.same(versionContainers(pod({ 'spa-reloader.io/version': 'nobody' }), services), ['nginx', 'assets'])
  t.same(versionContainers(pod(), services, { 'spa-reloader.io/version': 'nginx' }), ['nginx'], 'a default')
})
