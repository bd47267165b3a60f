// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { TOKEN_TEXT_MAX, type TokenAnswer, type TokenQuestion } from '../contract.ts'
import { isTokenText } from '../control/token-text.ts'

/** As the supervisor answers one step; null: not at all. */
export type AskToken = (question: TokenQuestion) => Promise<TokenAnswer | null>

/** A connection is one request and its answer, which may wait for witnesses of the log. */
const CONNECTION_MS = 90_000

/** What `JobNetwork.tokenHost` is: it reads a request, and looks at nothing in it. The supervisor gets its method, target and one header. */
export class TokenServer {
  readonly #server: Server
  readonly #asks = new WeakMap<object, AskToken>()

  constructor() {
    this.#server = new Server({ insecureHTTPParser: false, maxHeaderSize: TOKEN_TEXT_MAX, keepAliveTimeout: 0 })
    this.#server.on('request', (request, response) => this.#take(request, response))
  }

  /** Takes the socket over, of which nothing has been read; resolves at its end. */
  serve(socket: Socket, ask: AskToken): Promise<void> {
    return new Promise((resolve) => {
      if (socket.destroyed) return resolve()
      const timer = setTimeout(() => socket.destroy(), CONNECTION_MS)
      socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
      this.#asks.set(socket, ask)
      this.#server.emit('connection', socket)
      socket.resume()
    })
  }

  /** Whoever sends a second request before the first is answered is cut off: no client of this protocol does. */
  #take(request: IncomingMessage, response: ServerResponse): void {
    const ask = this.#asks.get(request.socket)
    this.#asks.delete(request.socket)
    response.shouldKeepAlive = false
    response.on('error', () => request.destroy())
    const question = questionOf(request)
    if (ask === undefined) request.socket.destroy()
    else if (question === null) send(response, MALFORMED)
    else
      ask(question).then(
        (answer) => send(response, answer ?? UNANSWERED),
        () => request.destroy(),
      )
  }
}

function questionOf({ method, url, headers }: IncomingMessage): TokenQuestion | null {
  const authorization = headers.authorization ?? null
  if (!isTokenText(method) || !isTokenText(url) || (authorization !== null && !isTokenText(authorization))) return null
  return { method, target: url, authorization }
}

function send(response: ServerResponse, { status, headers, body }: TokenAnswer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
}

const HEADERS = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' } as const
const MALFORMED: TokenAnswer = { status: 400, headers: HEADERS, body: '{"message":"the request holds what is not printable ASCII"}' }
/** Also where too many wait at a time: clients of this protocol try again. */
const UNANSWERED: TokenAnswer = { status: 503, headers: HEADERS, body: '{"message":"there is no token now"}' }
