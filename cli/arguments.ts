// The command line → what is meant, or a sentence that says what is wrong with it.

import { parseArgs } from 'node:util'
import { reason } from '../protocol/log.ts'
import { port, systemNamespace } from '../protocol/names.ts'

export const usage = `spa-reloader explain pod/NAME | deployment/NAME    why it is injected or not, and what is done
spa-reloader check                                 whether the installation is sound
spa-reloader inject -f FILE | -                    YAML in, injected YAML out; needs no cluster
spa-reloader status [--wait] DEPLOYMENT            the state of its release; --wait until its pods are told
spa-reloader console                               a way to the live dashboard, by kubectl port-forward

  -n, --namespace NAME        default: the kubeconfig's (check: every labelled namespace)
      --context NAME          of the kubeconfig
      --system-namespace NAME where the webhook runs, default ${systemNamespace}
      --image IMAGE           inject: the sidecar's, default spa-reloader-sidecar of this version
      --timeout SECONDS       status --wait: default 600
      --port PORT             console: of this machine, default ${port.console}

Exit code 0: yes. 1: no (not injected, not sound, the rollout failed). 2: the question could not be answered. 3: timed out.
`

export type Command =
  | AskingCommand
  | { command: 'inject'; files: string[]; namespace: string; image: string | undefined }
  | { command: 'help' }
  | { command: 'version' }

/** Those that need a cluster. */
export type AskingCommand = Where &
  (
    | { command: 'explain'; kind: 'pod' | 'deployment'; name: string }
    | { command: 'check' }
    | { command: 'console'; port: number }
    | { command: 'status'; name: string; wait: boolean; timeoutMs: number }
  )

interface Where {
  namespace: string | undefined
  context: string | undefined
  systemNamespace: string
}

const options = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
  namespace: { type: 'string', short: 'n' },
  context: { type: 'string' },
  'system-namespace': { type: 'string', default: systemNamespace },
  filename: { type: 'string', short: 'f', multiple: true, default: [] as string[] },
  image: { type: 'string' },
  wait: { type: 'boolean', default: false },
  timeout: { type: 'string', default: '600' },
  port: { type: 'string', default: String(port.console) },
} as const

/** Options that are not for every command. */
const only: Record<string, readonly string[]> = {
  filename: ['inject'],
  image: ['inject'],
  wait: ['status'],
  timeout: ['status'],
  port: ['console'],
}

/** Takes the arguments after the program's name. */
export function parseCommand(args: readonly string[]): Command | { wrong: string } {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (error) {
    return { wrong: reason(error).replace(/^ERR_\w+: /, '') }
  }
  const { values, positionals, tokens } = parsed
  const [command, ...rest] = positionals
  if (values.help || command === 'help' || args.length === 0) return { command: 'help' }
  if (values.version) return { command: 'version' }
  for (const token of tokens) {
    const commands = token.kind === 'option' ? only[token.name] : undefined
    if (commands && !commands.includes(command ?? ''))
      return { wrong: `--${token.kind === 'option' ? token.name : ''} is for ${commands.join(', ')} only` }
  }
  if (command === undefined) return { wrong: 'a command is missing' }
  const where: Where = {
    namespace: values.namespace,
    context: values.context,
    systemNamespace: values['system-namespace'],
  }
  switch (command) {
    case 'explain': {
      const subject = parseSubject(rest)
      return subject
        ? { command, ...subject, ...where }
        : { wrong: 'explain what? pod/NAME or deployment/NAME' }
    }
    case 'check':
      return rest.length === 0 ? { command, ...where } : { wrong: 'check takes no names: use -n' }
    case 'inject':
      if (rest.length > 0 || values.filename.length === 0)
        return { wrong: 'inject what? -f FILE, or -f - for standard input' }
      return {
        command,
        files: values.filename,
        namespace: values.namespace ?? 'default',
        image: values.image,
      }
    case 'console': {
      const local = Number(values.port)
      if (rest.length > 0) return { wrong: 'console takes no names: it shows every labelled namespace' }
      if (!Number.isInteger(local) || local < 1 || local > 65_535)
        return { wrong: `--port ${values.port}: a port number is meant` }
      return { command, port: local, ...where }
    }
    case 'status': {
      const [text = '', ...others] = rest
      const name = text.replace(/^(deployments?|deploy)(\.apps)?\//, '')
      const seconds = Number(values.timeout)
      if (name === '' || name.includes('/') || others.length > 0)
        return { wrong: 'status of what? The name of one Deployment' }
      if (!(seconds > 0)) return { wrong: `--timeout ${values.timeout}: a number of seconds is meant` }
      return { command, name, wait: values.wait, timeoutMs: seconds * 1000, ...where }
    }
    default:
      return { wrong: `there is no command ${command}` }
  }
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options, allowPositionals: true, tokens: true })
}

/** As kubectl takes it: `pod/web-1`, `pod web-1`, `deploy/web`. */
function parseSubject(words: readonly string[]): { kind: 'pod' | 'deployment'; name: string } | undefined {
  const [kind = '', name = '', ...others] = words.join('/').split('/')
  if (name === '' || others.length > 0) return undefined
  if (/^(po|pods?)$/.test(kind)) return { kind: 'pod', name }
  return /^(deploy|deployments?)(\.apps)?$/.test(kind) ? { kind: 'deployment', name } : undefined
}
