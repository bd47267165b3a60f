// SPDX-License-Identifier: Apache-2.0
// An internet of two network namespaces: one in which Sallyport runs, whose only link leads to the other, and one with every origin. There is no way from
// either to the machine's own network, so nothing can leave whatever breaks. Real servers: nginx and sshd of Debian; the rest is origins.ts.
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { FENCE_PORT, HOST_ADDRESS, HOST_ADDRESS6, HOST_GATEWAY, HOST_GATEWAY6, ORIGINS, ORIGINS6 } from './addresses.ts'
import { type Certificates, makeCertificates } from './certificates.ts'
import { nginxConfiguration } from './nginx-configuration.ts'

/** Something that reached an origin. */
export interface Arrival {
  /** `icmp` and `protocol` (neither TCP, UDP nor ICMP) are counted by the kernel, which tells nothing else of them. */
  readonly kind: 'http' | 'dns' | 'tcp' | 'udp' | 'websocket' | 'icmp' | 'protocol'
  readonly [fact: string]: unknown
}

const execute = promisify(execFile)
const SETTLED_MS_MAX = 120_000

/** Comes back when it arrived, from each processor: what was sent before from the same one has arrived then, too. */
const FENCE = `for cpu in $(seq 0 $(($(nproc --all) - 1))); do
  taskset --cpu-list $cpu true 2> /dev/null || continue
  taskset --cpu-list $cpu bash -c 'exec 3<>/dev/udp/${ORIGINS.udp}/${FENCE_PORT} && echo fence >&3 && [ "$(timeout 60 dd bs=64 count=1 status=none <&3)" = fence ]' || exit 1
done`

/** What the operator's file says beyond name servers and authorities, as YAML below `egress:` (two spaces in). */
export interface OperatorSettings {
  readonly egress?: string
}

export class Internet implements AsyncDisposable {
  readonly directory: string
  readonly certificates: Certificates
  /** Files that nginx serves under every name. */
  readonly root: string
  readonly #children: ChildProcess[] = []
  readonly #arrivals: Arrival[] = []
  /** For each run of origins.ts: returns when all that had come by then was said. */
  readonly #barriers: (() => Promise<void>)[] = []
  #host = -1
  #origins = -1
  #configurations = 0

  private constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'sallyport-internet-'))
    this.root = join(this.directory, 'www')
    mkdirSync(this.root)
    this.certificates = makeCertificates(this.directory)
  }

  static async start(): Promise<Internet> {
    const internet = new Internet()
    try {
      await internet.#makeNamespaces()
      await Promise.all([
        internet.#startOrigins(internet.wrapOrigin),
        internet.#startOrigins(internet.wrap, 'host'),
        internet.#startNginx(),
        internet.#startSshd(),
      ])
      return internet
    } catch (error) {
      await internet[Symbol.asyncDispose]()
      throw error
    }
  }

  /** For `RunSettings.wrap`: a command of the machine in this internet. */
  get wrap(): readonly string[] {
    return this.inNamespace(this.#host)
  }

  /** The same, on a machine whose /etc/resolv.conf knows this internet's name server: for runs without an operator's file. */
  get wrapResolving(): readonly string[] {
    const etc = join(this.directory, 'etc')
    mkdirSync(etc, { recursive: true })
    writeFileSync(join(etc, 'resolv.conf'), `nameserver ${ORIGINS.dns}\n`)
    // Where there is none, or a link to nothing, there is nothing to mount on: then one is laid over /etc.
    const mount = `{ [ -e /etc/resolv.conf ] || mount -t overlay -o "lowerdir=$0:/etc" none /etc; } &&
      mount --bind "$0/resolv.conf" "$(readlink -f /etc/resolv.conf)" && exec "$@"`
    return [...this.wrap, 'unshare', '--mount', 'sh', '-c', mount, etc]
  }

  /** The same among the origins. */
  get wrapOrigin(): readonly string[] {
    return this.inNamespace(this.#origins)
  }

  private inNamespace(pid: number): readonly string[] {
    return ['nsenter', `--net=/proc/${pid}/ns/net`, '--']
  }

  /** An operator's file (`--config`) that knows this internet's name server and authority. */
  operatorFile(settings: OperatorSettings = {}): string {
    this.#configurations += 1
    const path = join(this.directory, `operator-${this.#configurations}.yml`)
    const lines = [
      'version: 1',
      'egress:',
      `  nameServers: ["${ORIGINS.dns}"]`,
      `  authorities: ["${this.certificates.authority}"]`,
      settings.egress ?? '',
    ]
    writeFileSync(path, `${lines.join('\n')}\n`)
    return path
  }

  /** Everything that reached an origin until this was called, though its sender may be gone and the origin slow to say so. */
  async arrivals(): Promise<readonly Arrival[]> {
    await execute(this.wrap[0] ?? '', [...this.wrap.slice(1), 'bash', '-c', FENCE])
    await this.#nginxSettled()
    for (const barrier of this.#barriers) await barrier()
    const log = readFileSync(join(this.directory, 'access.log'), 'utf8')
    const http = log
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Arrival)
    return [...http, ...this.#arrivals, ...this.#countedArrivals()]
  }

  /** nginx has logged a request before it gives up its connection. It takes connections of one address and port in their order, so each is asked. */
  async #nginxSettled(): Promise<void> {
    const urls = [ORIGINS.web, ORIGINS.evil].flatMap((address) => [`https://${address}/connections`, `http://${address}/connections`])
    const request = [...this.wrapOrigin, 'curl', '-sSk', '--max-time', '60', '-H', 'Connection: close']
    await execute(request[0] ?? '', [...request.slice(1), '--fail-early', ...urls])
    const until = Date.now() + SETTLED_MS_MAX
    while (Date.now() < until) {
      const { stdout } = await execute(request[0] ?? '', [...request.slice(1), urls[1] ?? ''])
      if (stdout.startsWith('Active connections: 1 \n')) return
      await sleep(10)
    }
    throw new Error('nginx still has connections of a client that ended')
  }

  #countedArrivals(): readonly Arrival[] {
    const lines = readFileSync(`/proc/${this.#origins}/net/snmp`, 'utf8').split('\n')
    const count = (layer: string, counter: string): number => {
      const [names, values] = lines.filter((line) => line.startsWith(`${layer}: `)).map((line) => line.split(' '))
      const value = Number(values?.[names?.indexOf(counter) ?? -1])
      assert.ok(Number.isSafeInteger(value), `the kernel does not count ${counter}`)
      return value
    }
    const arrivals = (kind: Arrival['kind'], many: number): Arrival[] => Array.from({ length: many }, () => ({ kind }))
    return [...arrivals('icmp', count('Icmp', 'InEchos')), ...arrivals('protocol', count('Ip', 'InUnknownProtos'))]
  }

  async #makeNamespaces(): Promise<void> {
    this.#host = await this.#holder()
    this.#origins = await this.#holder()
    const ip = (pid: number, ...words: readonly string[]): void => {
      const [program = '', ...rest] = [...this.inNamespace(pid), 'ip', ...words]
      execFileSync(program, rest, { stdio: ['ignore', 'ignore', 'inherit'] })
    }
    for (const pid of [this.#host, this.#origins]) ip(pid, 'link', 'set', 'lo', 'up')
    ip(this.#host, 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'down0', 'netns', String(this.#origins))
    ip(this.#host, 'address', 'add', `${HOST_ADDRESS}/30`, 'dev', 'up0')
    ip(this.#origins, 'address', 'add', `${HOST_GATEWAY}/30`, 'dev', 'down0')
    ip(this.#host, 'link', 'set', 'up0', 'up')
    ip(this.#origins, 'link', 'set', 'down0', 'up')
    for (const address of Object.values(ORIGINS)) ip(this.#origins, 'address', 'add', `${address}/32`, 'dev', 'lo')
    ip(this.#host, 'route', 'add', 'default', 'via', HOST_GATEWAY)
    ip(this.#host, 'address', 'add', `${HOST_ADDRESS6}/64`, 'dev', 'up0', 'nodad')
    ip(this.#origins, 'address', 'add', `${HOST_GATEWAY6}/64`, 'dev', 'down0', 'nodad')
    for (const address of Object.values(ORIGINS6)) ip(this.#origins, 'address', 'add', `${address}/128`, 'dev', 'lo', 'nodad')
    ip(this.#host, '-6', 'route', 'add', 'default', 'via', HOST_GATEWAY6)
  }

  /** A process that keeps a network namespace. */
  async #holder(): Promise<number> {
    const child = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 3600'], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#children.push(child)
    for await (const _ of child.stdout) break
    return child.pid ?? -1
  }

  async #startOrigins(namespace: readonly string[], ...words: readonly string[]): Promise<void> {
    const child = this.#spawn([...namespace, process.execPath, join(import.meta.dirname, 'origins.ts'), ...words])
    const asked: PromiseWithResolvers<void>[] = []
    const lines = createInterface({ input: child.stdout ?? failNoOutput() })
    lines.on('line', (line) => {
      const said = JSON.parse(line) as Arrival | { readonly kind: 'barrier' }
      if (said.kind === 'barrier') asked.shift()?.resolve()
      else this.#arrivals.push(said)
    })
    child.once('exit', (code) => {
      for (const { reject } of asked) reject(new Error(`the origins ended with ${code}`))
    })
    const barrier = (): Promise<void> => {
      const answer = Promise.withResolvers<void>()
      asked.push(answer)
      child.stdin?.write('barrier\n')
      return answer.promise
    }
    this.#barriers.push(barrier)
    await barrier()
  }

  async #startNginx(): Promise<void> {
    const { directory, root } = this
    const { certificate, key } = this.certificates
    writeFileSync(join(directory, 'access.log'), '')
    writeFileSync(join(directory, 'nginx.conf'), nginxConfiguration({ directory, root, certificate, key }))
    this.#spawn([...this.wrapOrigin, 'nginx', '-c', join(directory, 'nginx.conf'), '-p', directory])
    await this.#untilAnswers(ORIGINS.web, 80)
  }

  async #startSshd(): Promise<void> {
    const file = (name: string): string => join(this.directory, name)
    for (const name of ['ssh-host', 'ssh-client'])
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file(name)])
    const settings = {
      ListenAddress: `${ORIGINS.ssh}:22`,
      HostKey: file('ssh-host'),
      AuthorizedKeysFile: file('ssh-client.pub'),
      PidFile: 'none',
      StrictModes: 'no',
      UsePAM: 'no',
      PermitRootLogin: 'prohibit-password',
      PasswordAuthentication: 'no',
    }
    const text = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`)
    writeFileSync(file('sshd.conf'), text.join(''))
    // sshd insists on this directory; it is empty and stays.
    mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
    this.#spawn([...this.wrapOrigin, '/usr/sbin/sshd', '-D', '-e', '-f', file('sshd.conf')], 'ignore')
    await this.#untilAnswers(ORIGINS.ssh, 22)
  }

  #spawn([program = '', ...words]: readonly string[], errors: 'inherit' | 'ignore' = 'inherit'): ChildProcess {
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', errors] })
    this.#children.push(child)
    return child
  }

  async #untilAnswers(address: string, port: number): Promise<void> {
    for (let attempt = 0; attempt < 3000; attempt += 1) {
      try {
        const [program = '', ...words] = [...this.wrapOrigin, 'bash', '-c', `exec 3<>/dev/tcp/${address}/${port}`]
        execFileSync(program, words, { stdio: 'ignore' })
        return
      } catch {
        await sleep(20) // Not yet.
      }
    }
    throw new Error(`${address}:${port} does not answer`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}

function failNoOutput(): never {
  throw new TypeError('no output')
}
