// The command line.

import t from 'tap'
import { parseCommand } from '../../cli/arguments.ts'

const where = { namespace: undefined, context: undefined, systemNamespace: 'spa-reloader' }

t.test('names are taken as kubectl takes them', async t => {
  for (const words of ['pod/web-1', 'pods/web-1', 'po/web-1', 'pod web-1'])
    t.same(parse(`explain ${words}`), { command: 'explain', kind: 'pod', name: 'web-1', ...where }, words)
  for (const words of ['deployment/web', 'deploy/web', 'deployment.apps/web', 'deployments web'])
    t.same(
      parse(`explain ${words}`),
      { command: 'explain', kind: 'deployment', name: 'web', ...where },
      words,
    )
  t.match(parse('status deployment/web'), { command: 'status', name: 'web', wait: false, timeoutMs: 600_000 })
})

t.test('options', async t => {
  t.match(parse('check -n shop --context prod --system-namespace tools'), {
    command: 'check',
    namespace: 'shop',
    context: 'prod',
    systemNamespace: 'tools',
  })
  t.match(parse('console --port 9000'), { command: 'console', port: 9_000 })
  t.match(parse('status --wait --timeout 30 web'), { wait: true, timeoutMs: 30_000 })
  t.same(parse('inject -f a.yaml -f - -n shop --image sidecar:1'), {
    command: 'inject',
    files: ['a.yaml', '-'],
    namespace: 'shop',
    image: 'sidecar:1',
  })
  t.same(parse(''), { command: 'help' })
  t.same(parse('explain --help'), { command: 'help' })
  t.same(parse('--version'), { command: 'version' })
})

t.test('what is wrong is said', async t => {
  const wrongs = {
    explain: 'pod/NAME or deployment/NAME',
    'explain service/web': 'pod/NAME or deployment/NAME',
    'explain pod/a b': 'pod/NAME or deployment/NAME',
    'check web': 'use -n',
    inject: '-f FILE',
    status: 'one Deployment',
    'status web api': 'one Deployment',
    'status --timeout soon web': 'a number of seconds',
    'check --wait': '--wait is for status only',
    'explain pod/a --image x': '--image is for inject only',
    'frobnicate web': 'no command frobnicate',
    'console web': 'takes no names',
    'console --port x': 'a port number',
    'status --port 1 web': '--port is for console only',
    '-n shop': 'a command is missing',
    'check --frobnicate': 'frobnicate',
  }
  for (const [line, sentence] of Object.entries(wrongs)) {
    const parsed = parse(line)
    t.match('wrong' in parsed ? parsed.wrong : '', sentence, line)
  }
})

function parse(line: string) {
  return parseCommand(line.split(' ').filter(word => word !== ''))
}
