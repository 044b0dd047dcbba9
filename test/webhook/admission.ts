import t from 'tap'
import { Registry } from 'prom-client'
import { list, object } from '../../release/raw.ts'
import { createAdmission, parseReview } from '../../webhook/admission.ts'
import type { AdmissionOptions, Outcome, Review } from '../../webhook/admission.ts'
import { createMetrics } from '../../webhook/metrics.ts'
import type { Operation } from '../../webhook/patch.ts'
import { admit, apply, readGolden, settings } from './goldens.ts'

const { pod, context } = readGolden('helm')
const review: Review = { uid: 'a-b-c', namespace: 'shop', dryRun: false, pod }

function start(options: Partial<AdmissionOptions> = {}) {
  const registry = new Registry()
  const lines: [message: string, fields: object | undefined][] = []
  const outcomes: Outcome[] = []
  const ask = createAdmission({
    settings,
    context: async () => context,
    metrics: createMetrics(registry),
    log: (message, fields) => lines.push([message, fields]),
    onOutcome: outcome => outcomes.push(outcome),
    ...options,
  })
  const counted = async () => {
    const metric = await registry.getSingleMetric('spa_reloader_injection_total')!.get()
    return metric.values
      .filter(({ value }) => value > 0)
      .map(({ labels, value }) => [labels.result, labels.reason, value])
  }
  return { ask, lines, outcomes, counted, registry }
}

t.test('the answer to a review carries the patch that injects', async t => {
  const { ask, lines, outcomes, counted, registry } = start()
  const answer = await ask(review)
  t.match(answer, {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid: 'a-b-c',
      allowed: true,
      patchType: 'JSONPatch',
      auditAnnotations: { result: 'injected' },
    },
  })
  const patch = JSON.parse(Buffer.from(answer.response.patch!, 'base64').toString()) as Operation[]
  t.same(apply(pod, patch), admit(pod, context).patched)
  t.match(lines, [['pod injected', { namespace: 'shop', deployment: 'web', container: 'shop', port: 80 }]])
  t.match(outcomes, [{ namespace: 'shop', deployment: 'web', inject: { front: 14020 } }])
  t.same(await counted(), [['injected', '', 1]])
  t.match(await registry.metrics(), /spa_reloader_admission_duration_seconds_count 1/)
})

t.test(
  'the patch is written as the API server writes the pod: it compares what we test letter by letter',
  async t => {
    const { pod, context } = readGolden('istio')
    const { ask } = start({ context: async () => context })
    const { response } = await ask({ ...review, pod })
    const text = Buffer.from(response.patch!, 'base64').toString()
    t.match(text, 'r=\\u003eprocess.exit')
    t.notMatch(text, /[<>&\u2028\u2029]/)
    t.same(JSON.parse(text), admit(pod, context).patch)
  },
)

t.test('a pod that needs no change is allowed without a patch', async t => {
  const { ask, counted } = start()
  const { response } = await ask({ ...review, pod: admit(pod, context).patched })
  t.same(response, { uid: 'a-b-c', allowed: true, auditAnnotations: { result: 'unchanged' } })
  t.same(await counted(), [['unchanged', '', 1]])
})

t.test('a skipped pod is allowed, and its reason is told everywhere', async t => {
  const { ask, lines, outcomes, counted } = start()
  const { response } = await ask({ ...review, pod: readGolden('job').pod })
  const reason = 'not-owned-by-replicaset'
  t.same(response, { uid: 'a-b-c', allowed: true, auditAnnotations: { result: 'skipped', reason } })
  t.match(lines, [['pod skipped', { namespace: 'shop', reason }]])
  t.match(outcomes, [{ namespace: 'shop', skip: [reason] }])
  t.same(await counted(), [['skipped', reason, 1]])
})

t.test('whatever fails on our side, the pod is allowed unchanged', async t => {
  const failures: [why: string, options: Partial<AdmissionOptions>, failure: RegExp][] = [
    ['context', { context: () => Promise.reject(new Error('not watched')) }, /^not watched$/],
    ['context', { context: () => new Promise(() => {}), contextMs: 5 }, /^no answer within 5 ms$/],
    [
      'context',
      {
        context: () => {
          throw new Error('at once')
        },
      },
      /^at once$/,
    ],
    ['internal', { context: async () => ({ ...context, services: null as never }) }, /null/],
  ]
  for (const [reason, options, failure] of failures) {
    const { ask, lines, outcomes, counted } = start(options)
    const { response } = await ask(review)
    t.same(response, { uid: 'a-b-c', allowed: true, auditAnnotations: { result: 'failed', reason } })
    t.match(lines, [['pod failed', { namespace: 'shop', reason: failure }]])
    t.match(outcomes, [{ namespace: 'shop', failure }])
    t.same(await counted(), [['failed', reason, 1]])
  }
})

t.test('a patch that would not apply is not sent: the API server would refuse the pod', async t => {
  const { ask, lines } = start()
  const raw = structuredClone(pod)
  const app = list(object(raw.spec).containers)[0]!
  let reads = 0
  // Whoever asks after the patch has been made finds another name.
  Object.defineProperty(list(app.ports)[0]!, 'containerPort', { enumerable: true, get: () => 80 + reads++ })
  const { response } = await ask({ ...review, pod: raw })
  t.match(response, { allowed: true, patch: undefined, auditAnnotations: { reason: 'internal' } })
  t.match(lines, [['pod failed', { reason: /^the patch does not apply: TEST_OPERATION_FAILED at \/spec/ }]])
})

t.test('a dry run is answered the same, and leaves no trace', async t => {
  const { ask, lines, outcomes, counted } = start()
  const real = await start().ask(review)
  t.same(await ask({ ...review, dryRun: true }), real)
  t.same({ lines, outcomes, counted: await counted() }, { lines: [], outcomes: [], counted: [] })
})

t.test('an Event that cannot be told does not change the answer', async t => {
  const { ask, lines } = start({
    onOutcome: () => {
      throw new Error('no')
    },
  })
  t.match(await ask(review), { response: { auditAnnotations: { result: 'injected' } } })
  t.match(lines[1], ['outcome not told', { reason: 'no' }])
})

t.test('of a review only what we use is read, and unknown fields are ignored', async t => {
  const request = { uid: 'a', namespace: 'shop', object: pod, dryRun: true, oldObject: null, options: {} }
  t.same(parseReview({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request, more: 1 }), {
    review: { uid: 'a', namespace: 'shop', dryRun: true, pod },
  })
  const { dryRun: _, ...real } = request
  const parsed = parseReview({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: real })
  t.match(parsed, { review: { dryRun: false } })
})
