// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionScope } from './connection-scope.ts'
import { exchange } from './exchange.ts'
import type { Upstream } from './exchange-sides.ts'
import { Http1Incoming } from './http1-incoming.ts'
import { FIELDS_MAX, HEAD_BYTES_MAX } from './read-request.ts'
import { refuseHttp } from './refusal-text.ts'
import { openWebsocket } from './websocket.ts'

/** apt, which pipelines, has ten under way. */
const PIPELINED_MAX = 32

/** Makes the connection to the server. `onEnd`: it takes no further request. */
export type OpenUpstream = (onEnd: () => void) => Promise<Upstream>

/** A connection of a job that speaks HTTP/1. */
class Http1Connection {
  readonly scope: ConnectionScope
  readonly #socket: Duplex
  readonly #open: OpenUpstream
  #upstream: Promise<Upstream> | null = null
  #waiting = 0
  #last: Promise<void> = Promise.resolve()
  #isServerGone = false

  constructor(socket: Duplex, scope: ConnectionScope, open: OpenUpstream) {
    this.#socket = socket
    this.scope = scope
    this.#open = open
  }

  get isBusy(): boolean {
    return this.#waiting > 0
  }

  /** Not before a request is allowed: a refused one opens nothing. */
  readonly upstream: () => Promise<Upstream> = () => {
    this.#upstream ??= this.#open(() => this.#serverEnded())
    return this.#upstream
  }

  /** Pipelined requests are answered one after the other. Node's parser does not stop at the first: whoever sends many without reading is cut off. */
  enqueue(work: () => Promise<void>): void {
    if (this.#waiting > PIPELINED_MAX) {
      if (!this.#socket.destroyed)
        this.scope.report(this.scope.refused('malformed', `more than ${PIPELINED_MAX} requests are waiting`).refusal)
      this.#socket.destroy()
      return
    }
    this.#waiting += 1
    this.#last = this.#last
      .then(() => (this.#isOver ? undefined : work()))
      .then(() => {
        this.#waiting -= 1
        if (this.#isServerGone && !this.isBusy) this.#socket.end()
      })
      .catch(this.scope.end)
  }

  /** RFC 9112 section 9.6: what stands behind the last answer of a connection is not processed. The client asks again, over another one. */
  get #isOver(): boolean {
    return this.#isServerGone || this.#socket.writableEnded || this.#socket.destroyed
  }

  /** The job's connection ends when the server's does, as if there were nothing in between; but first it gets what the server sent. */
  #serverEnded(): void {
    this.#isServerGone = true
    if (!this.isBusy) this.#socket.end()
  }
}

/** Serves all HTTP/1 connections of a job; it never listens. */
export class Http1Server {
  readonly #server: Server
  readonly #connections: WeakMap<Duplex, Http1Connection> = new WeakMap()

  constructor() {
    this.#server = new Server({ insecureHTTPParser: false, maxHeaderSize: HEAD_BYTES_MAX, requireHostHeader: false, keepAliveTimeout: 0 })
    // One more than are taken: Node leaves further ones out without a word, and the request is refused for having too many.
    this.#server.maxHeadersCount = FIELDS_MAX + 1
    this.#server.on('request', this.#onRequest).on('checkContinue', this.#onRequest).on('checkExpectation', this.#onRequest)
    this.#server.on('upgrade', this.#onUpgrade).on('connect', this.#onUpgrade).on('clientError', this.#onError)
  }

  /** Takes the socket over; resolves at its end. What was read ahead is in the socket again. */
  serve(socket: Duplex, scope: ConnectionScope, open: OpenUpstream): Promise<void> {
    return new Promise((resolve) => {
      this.#connections.set(socket, new Http1Connection(socket, scope, open))
      socket.once('close', resolve)
      if (socket.destroyed) {
        resolve()
        return
      }
      this.#server.emit('connection', socket)
      // It was paused by whoever read its beginning.
      socket.resume()
    })
  }

  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = this.#connections.get(request.socket)
    if (connection === undefined) return
    const incoming = new Http1Incoming(request, response)
    connection.enqueue(() => exchange(incoming, connection.scope, connection.upstream))
  }

  /** Also CONNECT, which then is refused for its method. */
  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const connection = this.#connections.get(socket)
    // Behind an unanswered request its answer would get into the other's.
    if (connection === undefined || connection.isBusy) {
      socket.destroy()
      return
    }
    socket.on('error', connection.scope.end)
    connection.enqueue(() => openWebsocket({ request, socket, head }, connection.scope, connection.upstream))
  }

  /** What the parser does not take; also resets and timeouts, which nobody has to hear of. */
  readonly #onError = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    const connection = this.#connections.get(socket)
    if (connection === undefined || !error.code?.startsWith('HPE_') || error.code === 'HPE_INVALID_EOF_STATE') {
      socket.destroy()
      return
    }
    const reason = error.code === 'HPE_HEADER_OVERFLOW' ? 'the header section is larger than 32 KiB' : 'the request is no valid HTTP'
    const { refusal } = connection.scope.refused('malformed', reason)
    connection.scope.report(refusal)
    if (connection.isBusy) socket.destroy()
    else refuseHttp(socket as Socket, refusal)
  }
}
