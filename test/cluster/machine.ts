// A machine of its own inside this one: process, mount and network namespaces under one first process. When that
// process ends, the kernel ends everything that ran in them and takes its mounts, bridges, iptables and routes away:
// pods, which containerd starts in the background, too. A veth pair joins it to the host.

import { mkdirSync, rmdirSync, readFileSync, writeFileSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { networkInterfaces } from 'node:os'
import { run, startProgram } from './process.ts'
import type { Program } from './process.ts'
import { until } from './wait.ts'

export interface Machine {
  /** The host's address as seen from the machine, and the machine's own. */
  hostAddress: string
  address: string
  /** For what runs on it: pods' addresses, the bridge's, and ClusterIPs; routed from the host to the machine. */
  podRange: string
  serviceRange: string
  /** The cgroup under which all that runs on it belongs, from the root of each hierarchy. */
  cgroup: string
  /** Starts a program on the machine. */
  start: (command: string, args: string[], log: string) => Program
  /** Runs a program on the machine to its end and returns what it printed. */
  run: (command: string, args: string[]) => Promise<string>
  /** Kills all that runs on it. */
  stop: () => Promise<void>
}

/** Starts one. Several can run side by side: each takes the first number that is free. `log` is a file. */
export async function startMachine(log: string): Promise<Machine> {
  const { number, link } = await takeNumber()
  const hostAddress = `10.245.${number}.1`
  const address = `10.245.${number}.2`
  const podRange = `10.244.${number}.0/24`
  const serviceRange = `10.${100 + number}.0.0/16`
  const cgroup = `/spa-reloader-${number}`
  const unshare = ['--net', '--mount', '--pid', '--mount-proc', '--fork', '--kill-child=KILL']
  // The shell waits, so that orphans which end are reaped.
  const init = startProgram('unshare', [...unshare, 'bash', '-c', 'sleep infinity & wait'], {
    log,
  })
  const first = await until('the first process', () => childOf(init.pid))
  const enter = ['--target', first, '--net', '--mount', '--pid', '--']
  try {
    makeCgroups(cgroup)
    await run('ip', ['link', 'set', `${link}p`, 'netns', first])
    await until('its own /proc', () => machine('test', ['-d', '/proc/1/ns']))
    await machine('sh', ['-ec', setUp(`${link}p`, hostAddress, address, serviceRange)])
    await run('sh', ['-ec', hostSetUp(link, hostAddress, address, podRange, serviceRange)])
  } catch (error) {
    await stop()
    throw error
  }
  return { hostAddress, address, podRange, serviceRange, cgroup, start, run: machine, stop }

  function start(command: string, args: string[], log: string): Program {
    return startProgram('nsenter', [...enter, command, ...args], { log })
  }

  function machine(command: string, args: string[]): Promise<string> {
    return run('nsenter', [...enter, command, ...args])
  }

  /** The kernel lets the first process go when all the others have gone: nothing writes to the cluster's folder any more. */
  async function stop(): Promise<void> {
    await run('kill', ['-9', first])
      .then(() => init.failed)
      .catch(() => {})
    await init.stop()
    await run('ip', ['link', 'delete', link]).catch(() => {}) // gone with the namespace that had its other end
    removeCgroups(cgroup)
  }
}

/** The veth pair doubles as the lock: only one process can make the one of this name. */
async function takeNumber(): Promise<{ number: number; link: string }> {
  for (let number = 0; number < 20; number++) {
    const link = `spa${number}`
    if (networkInterfaces()[link]) continue
    try {
      await run('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', `${link}p`])
      return { number, link }
    } catch {
      continue
    }
  }
  throw new Error('20 machines run already')
}

function childOf(pid: number): string | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return children === '' ? undefined : children
}

/** Folders with fixed names, in which containerd, CNI and the kubelet keep things, must not be the host's. */
function setUp(link: string, hostAddress: string, address: string, serviceRange: string): string {
  return `
    for folder in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 tmpfs $folder; done
    ip link set lo up
    ip link set ${link} name eth0
    ip address add ${address}/30 dev eth0
    ip link set eth0 up
    ip route add default via ${hostAddress}
    echo 1 >/proc/sys/net/ipv4/ip_forward
    # A ClusterIP that kube-proxy has not turned into a pod's address yet must fail at once. Without this it would go
    # back to the host and round again, and conntrack would keep the connection unturned through all its repetitions.
    iptables -A FORWARD -d ${serviceRange} -j REJECT --reject-with icmp-host-unreachable`
}

function hostSetUp(link: string, hostAddress: string, address: string, ...ranges: string[]): string {
  return `
    ip address add ${hostAddress}/30 dev ${link}
    ip link set ${link} up
    ${ranges.map(range => `ip route add ${range} via ${address}`).join('\n')}`
}

const cgroupRoot = '/sys/fs/cgroup'

/** A group counts as one process, however many run in it: beside other work of the host every pod would get a share of one share. */
const shares = { 'cpu.shares': '16384', 'cpu.weight': '1600' } // of cgroup v1, where a process has 1024, and of v2: 100

/** The kubelet wants its root to be there. On cgroup v1 each controller has a hierarchy of its own. */
function makeCgroups(cgroup: string): void {
  for (const hierarchy of hierarchies()) {
    const folder = hierarchy + cgroup
    mkdirSync(folder, { recursive: true })
    // Empty until it is given something: nothing could run in it.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (existsSync(join(folder, file)))
        writeFileSync(join(folder, file), readFileSync(join(hierarchy, file)))
    }
    for (const [file, share] of Object.entries(shares))
      if (existsSync(join(folder, file))) writeFileSync(join(folder, file), share)
  }
}

function removeCgroups(cgroup: string): void {
  for (const hierarchy of hierarchies()) removeTree(hierarchy + cgroup)
}

function removeTree(folder: string): void {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name))
  }
  try {
    rmdirSync(folder)
  } catch {
    // A process in it is still ending: an empty cgroup is left, which the next machine of this number takes over.
  }
}

function hierarchies(): string[] {
  if (existsSync(join(cgroupRoot, 'cgroup.controllers'))) return [cgroupRoot]
  return readdirSync(cgroupRoot)
    .map(name => join(cgroupRoot, name))
    .filter(folder => existsSync(join(folder, 'cgroup.procs')))
}
