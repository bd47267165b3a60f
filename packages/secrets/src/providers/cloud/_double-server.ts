// SPDX-License-Identifier: Apache-2.0
// Servers of tests on 127.0.0.1: those that speak a cloud's protocol, and those that are none.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'

export interface DoubleRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface DoubleReply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | object
}

/** A certificate of its own for 127.0.0.1, in a directory that goes with it. */
export class TestCertificate implements Disposable {
  readonly path: string
  readonly cert: Buffer
  readonly key: Buffer
  readonly #directory: string

  constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'sallyport-double-'))
    this.path = join(this.#directory, 'cert.pem')
    const key = join(this.#directory, 'key.pem')
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
    execFileSync('openssl', ['req', ...kind, ...names, '-keyout', key, '-out', this.path], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.cert = readFileSync(this.path)
    this.key = readFileSync(key)
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true })
  }
}

export class DoubleServer implements AsyncDisposable {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  static async start(respond: (request: DoubleRequest) => DoubleReply, certificate: TestCertificate | null): Promise<DoubleServer> {
    const listener = (request: IncomingMessage, response: ServerResponse): void => void answer(request, response, respond)
    return DoubleServer.#listen(certificate === null ? createServer(listener) : createTlsServer(certificate, listener))
  }

  /** One that is none: it says nothing, or something else, or too much. */
  static async impostor(trouble: 'silent' | 'nonsense' | 'endless'): Promise<DoubleServer> {
    if (trouble === 'silent') return DoubleServer.#listen(createTcpServer(() => undefined))
    return DoubleServer.#listen(createServer((_request, response) => babble(response, trouble === 'endless')))
  }

  static async #listen(server: Server): Promise<DoubleServer> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const started = new DoubleServer(server, (server.address() as AddressInfo).port)
    server.on('connection', (socket: Socket) => {
      started.#sockets.add(socket.on('error', () => undefined))
      socket.once('close', () => started.#sockets.delete(socket))
    })
    return started
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, respond: (request: DoubleRequest) => DoubleReply): Promise<void> {
  const { method = '', url = '', headers } = request
  const { pathname: path, searchParams: query } = new URL(url, 'http://double.invalid')
  const body = await buffer(request)
  const { status, headers: own = {}, body: content } = orFlaw(() => respond({ method, path, query, headers, body }))
  const type = typeof content === 'string' ? 'text/xml' : 'application/json'
  response.writeHead(status, { 'content-type': type, ...own }).end(typeof content === 'string' ? content : JSON.stringify(content))
}

/** A request that is not of the protocol gets an answer that no cloud gives. */
function orFlaw(respond: () => DoubleReply): DoubleReply {
  try {
    return respond()
  } catch (error) {
    assert.ok(error instanceof Error)
    return { status: 418, body: { flaw: error.message } }
  }
}

function babble(response: ServerResponse, isEndless: boolean): void {
  response.writeHead(200, { 'content-type': 'text/html' })
  response.write('<!doctype html><title>Welcome</title>')
  const more = (): void => {
    while (response.write('x'.repeat(65_536)) && !response.destroyed);
    if (!response.destroyed) response.once('drain', more)
  }
  if (isEndless) more()
  else response.end()
}
