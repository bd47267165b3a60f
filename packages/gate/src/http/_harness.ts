// SPDX-License-Identifier: Apache-2.0
// A gate's HTTP engine between real clients and real servers on 127.0.0.1, with everything around the engine as a fake.
import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, duplexPair, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import type { EgressRule, HttpCondition, PathSegment, Refusal, RuleSet } from '@sallyport/access'
import { authorityCertificate, serverCertificate } from '../authority/certificate.ts'
import { createJobAuthority } from '../authority/job-authority.ts'
import type { AlertKind, GateConfig, Signing, Substitution } from '../contract.ts'
import { type HttpConnection, type Meter, RefusedError } from '../ports.ts'
import { readClientHello } from '../tls/client-hello.ts'
import { createHttpEngine } from './http-engine.ts'

const validity = { from: new Date(Date.now() - 60_000), to: new Date(Date.now() + 3_600_000) }

/** Certificates of the servers of the "internet". */
export class TestAuthority {
  readonly certificate: string
  readonly key: string
  readonly #own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  readonly #servers = generateKeyPairSync('ec', { namedCurve: 'P-256' })

  constructor(domain = 'test') {
    this.certificate = authorityCertificate(this.#issuer(), [domain], validity)
    this.key = this.#servers.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  }

  for(name: string): { readonly cert: string; readonly key: string } {
    return { cert: serverCertificate(this.#issuer(), name, this.#servers.publicKey, validity), key: this.key }
  }

  #issuer() {
    return { name: 'Test internet', key: this.#own.privateKey, publicKey: this.#own.publicKey }
  }
}

/** What a server saw of a request. */
export interface Arrival {
  readonly version: string
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly raw: readonly string[]
  readonly body: string
}

type Respond = (
  request: http.IncomingMessage | http2.Http2ServerRequest,
  response: http.ServerResponse,
  body: string,
) => void | Promise<void>

export type ServerKind = 'http' | 'https' | 'h2' | 'h2+https'

export interface TestServer {
  readonly arrivals: Arrival[]
  readonly server: Server
  readonly port: number
  close(): void
}

const plainAnswer: Respond = (_request, response) => {
  response.setHeader('content-type', 'text/plain')
  response.end('hello')
}

export interface ServeOptions {
  /** Called with the whole body; otherwise `stream` gets the request at once. */
  readonly respond?: Respond
  readonly stream?: (request: http.IncomingMessage, response: http.ServerResponse) => void
  readonly certificate?: { readonly cert: string; readonly key: string }
}

export async function serve(kind: ServerKind, { respond = plainAnswer, stream, certificate }: ServeOptions = {}): Promise<TestServer> {
  const arrivals: Arrival[] = []
  const sockets = new Set<Duplex>()
  const listener = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const { httpVersion: version, method = '', url = '', headers, rawHeaders: raw } = request
    if (stream !== undefined) {
      arrivals.push({ version, method, url, headers, raw, body: '' })
      stream(request, response)
      return
    }
    try {
      const body = await text(request)
      if ((request as { readonly aborted?: boolean }).aborted === true)
        throw new Error('HTTP/2 for Node: an aborted body ends like a whole one')
      arrivals.push({ version, method, url, headers, raw, body })
      await respond(request, response, body)
    } catch {
      arrivals.push({ version, method, url, headers, raw, body: '<broken off>' })
    }
  }
  const server = makeServer(kind, certificate ?? {}, listener as http.RequestListener) as Server
  server.on('connection', (socket: Duplex) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
  })
  await listen(server)
  return {
    arrivals,
    server,
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

function makeServer(kind: ServerKind, certificate: object, listener: http.RequestListener): unknown {
  if (kind === 'http') return http.createServer({ maxHeaderSize: 1024 * 1024 }, listener)
  if (kind === 'https') return https.createServer({ ...certificate, ALPNProtocols: ['http/1.1'] }, listener)
  return http2.createSecureServer({ ...certificate, allowHTTP1: kind === 'h2+https' }, listener as never)
}

async function listen(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
}

const anyCondition: HttpCondition = { methods: null, paths: null, graphql: false, websocket: false }

export const segments = (path: string): PathSegment[] =>
  path
    .slice(1)
    .split('/')
    .map((part) => (part === '**' ? { kind: 'rest' } : part === '*' ? { kind: 'any', name: null } : { kind: 'literal', text: part }))

export function rule(host: string, condition: Partial<HttpCondition> | null = {}, protocol: EgressRule['protocol'] = 'tls'): EgressRule {
  return {
    origin: { source: 'sallyport.yml', line: 7, column: 9, text: host },
    to: { kind: 'name', pattern: host.startsWith('*.') ? { kind: 'suffix', name: host.slice(2) } : { kind: 'exact', name: host } },
    ports: [{ first: 1, last: 65_535 }],
    protocol,
    http: condition === null ? null : { ...anyCondition, ...condition },
    serverName: 'required',
    executables: null,
    budget: { bytesOut: null, bytesIn: null, bytesPerSecond: null },
  }
}

export interface TestGate {
  readonly port: number
  /** PEM of the job's authority. */
  readonly authority: string
  /** The same in a file, for programs. */
  readonly authorityFile: string
  readonly refusals: Refusal[]
  readonly alerts: { readonly kind: AlertKind; readonly detail: string }[]
  readonly requests: { readonly method: string; readonly path: string }[]
  readonly dials: string[]
  readonly bytes: { out: number; in: number }
  readonly open: Set<Promise<void>>
  readonly step: AbortController
  close(): Promise<void>
}

export interface GateOptions {
  readonly rules: readonly EgressRule[]
  /** Where a name really is. */
  readonly servers: Readonly<Record<string, number>>
  readonly internet: TestAuthority
  readonly substitutions?: readonly Substitution[]
  readonly signings?: readonly Signing[]
  readonly honeytokens?: readonly string[]
  /** May grow while the gate runs. */
  readonly awaitsSubstitutions?: boolean
  /** Of clear text connections: which name they were meant for. */
  readonly plainName?: string
  /** Which port connections were meant for; default: that of the scheme. `own`: that of the gate, for clients who cannot be led elsewhere. */
  readonly meantPort?: 'own'
  readonly budget?: number
  readonly limits?: Partial<GateConfig['limits']>
}

export async function startGate(options: GateOptions): Promise<TestGate> {
  const config = configOf(options)
  const terminates = options.rules.flatMap(({ to }) => (to.kind === 'name' ? [to.pattern] : []))
  const authority = await createJobAuthority(terminates, new Date())
  const engine = createHttpEngine({ authority, config })
  const step = new AbortController()
  const seen = {
    refusals: [] as Refusal[],
    alerts: [] as TestGate['alerts'],
    requests: [] as TestGate['requests'],
    dials: [] as string[],
    bytes: { out: 0, in: 0 },
    open: new Set<Promise<void>>(),
  }
  const openStep = stepOf(options, step, seen)
  const serveSocket = async (socket: Socket): Promise<void> => {
    const first = await firstBytes(socket)
    if (first === null) return void socket.destroy()
    const { head, hello } = first
    const name = hello?.serverName ?? options.plainName ?? ''
    const port = options.meantPort === 'own' ? (socket.localPort ?? 0) : hello === null ? 80 : 443
    const connection: HttpConnection = {
      socket,
      head,
      hello,
      target: { name, address: null, port, transport: 'tcp', executable: null },
      step: openStep,
      dialer: { dial: (target) => dial(target.name ?? '', options.servers, seen.dials) },
      config,
      meter: () => meterOf(seen.bytes, options.budget ?? Number.POSITIVE_INFINITY),
    }
    await engine.serve(connection)
  }
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    const served = serveSocket(socket).finally(() => seen.open.delete(served))
    seen.open.add(served)
  })
  await listen(server)
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-http-'))
  const authorityFile = join(directory, 'authority.pem')
  writeFileSync(authorityFile, authority.certificate)
  return {
    ...seen,
    port: (server.address() as AddressInfo).port,
    authority: authority.certificate,
    authorityFile,
    step,
    async close() {
      server.close()
      step.abort()
      await Promise.all(seen.open)
      rmSync(directory, { recursive: true })
    },
  }
}

function configOf({ internet, limits }: GateOptions): GateConfig {
  return {
    nameServers: [],
    hosts: {},
    trustedHosts: [],
    privateNetworks: [],
    ownAddresses: [],
    authorities: internet.certificate,
    terminates: [],
    limits: { connections: 100, helloMs: 5000, connectMs: 5000, idleMs: 5000, bytesOut: null, ...limits },
  }
}

type Seen = Pick<TestGate, 'refusals' | 'alerts' | 'requests'>

function stepOf(options: GateOptions, controller: AbortController, seen: Seen): HttpConnection['step'] {
  const set: RuleSet = { author: 'request', source: 'sallyport.yml', rules: options.rules, observes: false, place: 'jobs.build.egress' }
  return {
    doors: {
      step: 'build',
      source: '198.18.1.1',
      sets: [set],
      substitutions: options.substitutions ?? [],
      signings: options.signings ?? [],
      honeytokens: options.honeytokens ?? [],
      awaitsSubstitutions: options.awaitsSubstitutions ?? false,
      relays: [],
    },
    signal: controller.signal,
    report: {
      refused: (refusal) => void seen.refusals.push(refusal),
      alert: (kind, detail) => void seen.alerts.push({ kind, detail }),
      request: (_door, { method, path }) => void seen.requests.push({ method, path }),
    },
  }
}

function meterOf(bytes: TestGate['bytes'], budget: number): Meter {
  return {
    out(count) {
      bytes.out += count
      if (bytes.out > budget)
        throw new RefusedError({ code: 'budget', target: 'x', reason: 'the budget is used up', rule: null, remedy: null })
      return undefined
    },
    in(count) {
      bytes.in += count
      return undefined
    },
    close: () => undefined,
  }
}

async function dial(name: string, servers: GateOptions['servers'], dials: string[]): Promise<Socket> {
  dials.push(name)
  const port = servers[name]
  if (port === undefined) throw new RefusedError({ code: 'unresolved', target: name, reason: 'no such name', rule: null, remedy: null })
  const socket = connect(port, '127.0.0.1')
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return socket
}

/** What the gate's core reads before it knows the protocol. */
async function firstBytes(socket: Socket): Promise<Pick<HttpConnection, 'head' | 'hello'> | null> {
  let head = Buffer.alloc(0)
  return await new Promise((resolve) => {
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk])
      const reading = head[0] === 0x16 ? readClientHello(head) : null
      if (reading?.kind === 'incomplete') return
      socket.pause()
      socket.off('data', onData)
      resolve({ head, hello: reading?.kind === 'hello' ? reading.hello : null })
    }
    socket.on('data', onData)
    // A client that ends within its ClientHello, which the relay before the engine would end as well.
    socket.once('end', () => resolve(null)).once('close', () => resolve(null))
    socket.resume()
  })
}

export interface Output {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export function run(
  program: string,
  args: readonly string[],
  input: string | Buffer = '',
  environment: Readonly<Record<string, string>> = {},
): Promise<Output> {
  return new Promise((resolve) => {
    const env = { ...process.env, ...environment }
    const child = execFile(program, args, { timeout: 240_000, maxBuffer: 64 * 1024 * 1024, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
    })
    // It may end before it has read everything.
    child.stdin?.on('error', () => child.stdin?.destroy())
    child.stdin?.end(input)
  })
}

/** curl as a job would call it, with the gate in the way. */
export const curlArguments = (gate: TestGate): string[] => [
  ...['-sS', '-m', '10', '--cacert', gate.authorityFile],
  ...['--connect-to', `::127.0.0.1:${gate.port}`],
]

export const curl = (gate: TestGate, ...args: readonly string[]): Promise<Output> => run('curl', [...curlArguments(gate), ...args])

/** With a body of any size. */
export const upload = (gate: TestGate, body: string | Buffer, ...args: readonly string[]): Promise<Output> =>
  run('curl', [...curlArguments(gate), '--data-binary', '@-', ...args], body)

interface RawOptions {
  readonly name: string
  readonly protocol?: 'h2' | 'http/1.1'
  /** Sent in place of what should follow the ClientHello. */
  readonly handshake?: Buffer
}

/** Raw bytes as a client would send them; resolves with all that came back until the end, or until nothing came for a while. */
export async function sendRaw(gate: TestGate, bytes: string | Buffer, secured?: string | RawOptions): Promise<string> {
  const plain = connect(gate.port, '127.0.0.1')
  const socket = secured === undefined ? plain : secure(plain, gate, typeof secured === 'string' ? { name: secured } : secured)
  socket.on('error', () => socket.destroy())
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  let answer = ''
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1')
  })
  plain.setTimeout(400, () => socket.destroy())
  await new Promise((resolve) => socket.once('close', resolve))
  plain.destroy()
  return answer
}

function secure(plain: Socket, gate: TestGate, { name, protocol = 'http/1.1', handshake }: RawOptions): Duplex {
  const options = { servername: name, ca: gate.authority, ALPNProtocols: [protocol] }
  if (handshake === undefined) return tls.connect({ socket: plain, ...options })
  // Over a pair, so that what follows the ClientHello can be something else.
  const [near, far] = duplexPair()
  const client = tls.connect({ socket: near, ...options })
  client.on('error', () => client.destroy())
  far.once('data', (hello: Buffer) => plain.write(Buffer.concat([hello, handshake])))
  return plain
}

/** An HTTP/2 session of a client. */
export function http2Session(gate: TestGate, name: string): http2.ClientHttp2Session {
  const session = http2.connect(`https://${name}`, {
    createConnection: () =>
      tls.connect({ socket: connect(gate.port, '127.0.0.1'), servername: name, ca: gate.authority, ALPNProtocols: ['h2'] }),
  })
  session.on('error', () => session.destroy())
  return session
}

export interface Http2Answer {
  readonly status: number
  readonly headers: http2.IncomingHttpHeaders
  readonly trailers: http2.IncomingHttpHeaders
  readonly body: string
  readonly code: number
}

export function http2Request(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: string | Readable,
): Promise<Http2Answer> {
  return new Promise((resolve) => {
    const stream = session.request(headers, { endStream: body === undefined })
    let answer: Http2Answer = { status: 0, headers: {}, trailers: {}, body: '', code: 0 }
    stream.on('error', () => stream.destroy())
    stream.on('response', (received) => {
      answer = { ...answer, headers: received, status: received[':status'] ?? 0 }
    })
    stream.on('trailers', (trailers) => {
      answer = { ...answer, trailers }
    })
    stream.on('data', (chunk: Buffer) => {
      answer = { ...answer, body: answer.body + chunk.toString() }
    })
    stream.on('close', () => resolve({ ...answer, code: stream.rstCode }))
    if (body instanceof Readable) body.pipe(stream)
    else if (body !== undefined) stream.end(body)
  })
}
