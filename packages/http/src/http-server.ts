// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { collectBytes } from '@sallyport/core'
import type { HttpAnswer, HttpHandler, HttpRequest } from './contract.ts'
import { HttpError } from './http-error.ts'

export interface HttpServerOptions {
  /** An address of this machine, such as `127.0.0.1`. */
  readonly address: string
  /** 0: any that is free. */
  readonly port: number
  readonly handle: HttpHandler
  /** A handler threw: a defect, or a failing disk. */
  readonly onFailure: (error: unknown) => void
  readonly limits?: Partial<HttpLimits>
  /** Without it, TLS is for a proxy before it. */
  readonly tls?: HttpTls
}

/** PEM. */
export interface HttpTls {
  readonly cert: string
  readonly key: string
}

/** What one client, or many, can hold of this process. */
export interface HttpLimits {
  readonly connectionsMax: number
  /** From the first byte of a request to the last of its headers. */
  readonly headersMs: number
  /** To the last of its body. */
  readonly requestMs: number
  /** From there to the last byte of the answer: a client that reads slowly ends here. */
  readonly answerMs: number
  readonly idleMs: number
}

const DEFAULT_LIMITS: HttpLimits = { connectionsMax: 256, headersMs: 10_000, requestMs: 30_000, answerMs: 120_000, idleMs: 30_000 }

const HEADER_BYTES_MAX = 8 * 1024
const HEADERS_MAX = 50
/** How late a limit of time can be seen. */
const CHECK_MS = 1000

/** A server with its limits. */
export class HttpServer implements AsyncDisposable {
  readonly url: string
  readonly #server: Server
  readonly #sockets: ReadonlySet<Socket>

  private constructor(server: Server, sockets: ReadonlySet<Socket>, scheme: 'http' | 'https') {
    const { address, family, port } = server.address() as AddressInfo
    this.url = `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`
    this.#server = server
    this.#sockets = sockets
  }

  /** @throws HttpError HTTP_UNAVAILABLE */
  static async start({ address, port, handle, onFailure, limits, tls }: HttpServerOptions): Promise<HttpServer> {
    const bounds = { ...DEFAULT_LIMITS, ...limits }
    const server = makeServer(bounds, tls, (incoming, response) => {
      const deadline = setTimeout(() => response.destroy(), bounds.requestMs + bounds.answerMs)
      response.once('close', () => clearTimeout(deadline))
      // It never rejects: what fails in it ends the connection
      void answerOne(incoming, response, { handle, onFailure })
    })
    server.maxConnections = bounds.connectionsMax
    server.maxHeadersCount = HEADERS_MAX
    server.setTimeout(bounds.idleMs, (socket) => socket.destroy())
    const sockets = trackSockets(server)
    await listen(server, { address, port })
    return new HttpServer(server, sockets, tls === undefined ? 'http' : 'https')
  }

  /** Ends all connections, also those in the middle of an answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

/** @throws HttpError HTTP_UNAVAILABLE for a certificate or a key that is none. */
function makeServer(bounds: HttpLimits, tls: HttpTls | undefined, listener: RequestListener): Server {
  if (tls === undefined) return createServer(serverOptions(bounds), listener)
  try {
    return createTlsServer({ ...serverOptions(bounds), ...tls, minVersion: 'TLSv1.2', handshakeTimeout: bounds.headersMs }, listener)
  } catch {
    // Its words might quote the key
    throw new HttpError('HTTP_UNAVAILABLE', 'Cannot serve TLS: certificate and key are no PEM, or not a pair', {
      hint: 'Give a certificate with its chain, and its own key, unencrypted',
    })
  }
}

function serverOptions({ headersMs, requestMs, idleMs }: HttpLimits): object {
  return {
    headersTimeout: Math.min(headersMs, requestMs),
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    connectionsCheckingInterval: Math.min(CHECK_MS, headersMs),
    maxHeaderSize: HEADER_BYTES_MAX,
    requireHostHeader: false,
  }
}

function trackSockets(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

function listen(server: Server, { address, port }: { address: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new HttpError('HTTP_UNAVAILABLE', `Cannot listen on ${address} port ${port}: ${error.message}`, { cause: error }))
    })
    server.listen(port, address, resolve)
  })
}

interface Handling {
  readonly handle: HttpHandler
  readonly onFailure: (error: unknown) => void
}

async function answerOne(incoming: IncomingMessage, response: ServerResponse, { handle, onFailure }: Handling): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const request = new Request(incoming)
  const answer = await handle(request, gone.signal).catch((error: unknown): HttpAnswer => {
    if (!(error instanceof ClientGone)) onFailure(error)
    return { status: 500, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: 'internal error\n' }
  })
  try {
    await send(response, answer, { isHead: incoming.method === 'HEAD', endsConnection: request.isCut })
  } catch (error) {
    // Nobody listens any more, or the stream failed in the middle: the client sees an answer that is too short
    if (!gone.signal.aborted) onFailure(error)
    response.destroy()
  }
}

/** It ended in the middle of its own request, or was too slow with it. */
class ClientGone extends Error {}

class Request implements HttpRequest {
  readonly method: string
  readonly path: string
  readonly #incoming: IncomingMessage
  #isCut = false

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming
    this.method = incoming.method ?? ''
    this.path = incoming.url?.split('?', 1)[0] ?? ''
  }

  /** Whether a part of the body was left unread. */
  get isCut(): boolean {
    return this.#isCut
  }

  header(name: string): string | null {
    const value = this.#incoming.headers[name]
    return typeof value === 'string' ? value : null
  }

  async body(bytesMax: number): Promise<Uint8Array | null> {
    // Not `for await` over the message itself, whose end before the last byte would destroy the connection that the answer needs
    const chunks = this.#incoming.iterator({ destroyOnReturn: false })
    const bytes = await collectBytes(chunks, bytesMax).catch((error: unknown) => {
      throw new ClientGone('the body ended too early', { cause: error })
    })
    this.#isCut = bytes === null
    return bytes
  }
}

async function send(response: ServerResponse, answer: HttpAnswer, how: { isHead: boolean; endsConnection: boolean }): Promise<void> {
  const { status, headers, body } = answer
  response.writeHead(status, {
    'x-content-type-options': 'nosniff',
    ...headers,
    ...(how.endsConnection ? { connection: 'close' } : {}),
    ...(body instanceof Readable ? {} : { 'content-length': Buffer.byteLength(body) }),
  })
  if (!(body instanceof Readable)) response.end(how.isHead ? '' : body)
  else if (how.isHead) {
    body.destroy()
    response.end()
  } else await pipeline(body, response)
}

/** A plain answer of one line. */
export function textAnswer(status: number, text: string, headers: Readonly<Record<string, string>> = {}): HttpAnswer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body: text }
}
