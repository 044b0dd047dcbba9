// Why a pod is not injected, and what to know of one that is: a code for logs and metrics, and a sentence that says what to do, the same in Events and in
// the command line.

/** Before injection a reason, afterwards a warning. */
const policies = {
  'numeric-policy':
    'a NetworkPolicy allows the port of the app by its number, so it drops what goes to the sidecar: allow the port by its name there',
  'other-policy':
    "a policy or annotation of a network plugin or a mesh names the port of the app by its number, and may drop what goes to the sidecar: use the port name there, add the sidecar's number (14020) or, where the policy does not concern this pod, set the annotation spa-reloader.io/capture: name",
} as const

export const reasons = {
  'not-a-pod': 'it is not a pod with containers',
  'opted-out': 'the pod carries the label spa-reloader.io/inject: "false"',
  'host-network': 'hostNetwork is enabled, so the ports of the sidecar could collide with others on the node',
  windows: 'the pod runs on Windows, whose kube-proxy cannot tell the pods of one Service apart by port',
  'not-owned-by-replicaset': 'no ReplicaSet owns the pod: only pods of Deployments are injected',
  'not-owned-by-deployment': 'no Deployment rolls out the ReplicaSet that owns the pod',
  'already-injected':
    'the pod template carries a container or volume named spa-reloader: remove it, it is added at admission',
  'capture-none': 'the annotation spa-reloader.io/capture says none',
  'no-service':
    'no Service leads to the pod, and it has not exactly one named TCP port (one for metrics or health does not count): create the Service first, or name the port',
  'port-not-found': 'no container has the port that the Service targets',
  udp: 'the Services that select the pod have no TCP port',
  'not-http':
    'by its appProtocol or name the port does not speak HTTP/1.x in the clear, so there is nothing to add to it',
  'numeric-target':
    'the Service targets a port number: give the container port a name, and use that name as targetPort',
  'pod-security':
    'the Service targets a port number, and the namespace is not known to admit the init container that would redirect it: give the ' +
    'container port a name, and use that name as targetPort',
  'port-without-name':
    'the port of the app has no name: name it in the container, and use that name as targetPort',
  'host-port': 'the port of the app has a hostPort, which would lead to the sidecar',
  'no-free-port': 'the containers declare all ports that the sidecar could use',
  ...policies,
  breaker: 'the sidecar kept other pods of the Deployment from starting: new ones come without it for now',
} as const satisfies Record<string, string>
export type Reason = keyof typeof reasons

export const warnings = {
  'bad-option': 'an annotation has a value that does not fit this pod, so its default applies',
  'limit-raised':
    "the sidecar's limit would be below its request, or below the least that it works with, so it is raised to that",
  bypassed:
    'a Service targets the port by its number, so its traffic does not pass the sidecar: use the port name',
  firewall:
    "Google's load balancer comes to the sidecar's port (14020), which its firewall rule may not allow for the first 10 minutes, and new pods are not ready until it does: " +
    'change the Ingress, by an annotation, once the first pod with a sidecar has an address, or allow the port from 130.211.0.0/22 and 35.191.0.0/16 before; ' +
    'and set the requestPath of its health check in a BackendConfig',
  ...policies,
} as const satisfies Record<string, string>

export interface Warning {
  code: keyof typeof warnings
  /** The annotation, the Service or the policy. */
  subject: string
}

/** One sentence for each reason; `about` is the object that is the reason, where it is another one. */
export function sayReasons(codes: readonly Reason[], about: string | undefined): string[] {
  return codes.map(code => [code, ...(about ? [about] : []), reasons[code]].join(': '))
}

export function sayWarning({ code, subject }: Warning): string {
  return `${code}: ${subject}: ${warnings[code]}`
}
