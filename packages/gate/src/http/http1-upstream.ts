// SPDX-License-Identifier: Apache-2.0
import { Agent, type ClientRequest, type ClientRequestArgs, type IncomingMessage, request } from 'node:http'
import type { Duplex, Writable } from 'node:stream'
import type { ConnectionScope } from './connection-scope.ts'
import type { OutgoingHead, Upstream, UpstreamRequest, UpstreamResponse } from './exchange-sides.ts'
import { fieldsOf, type HeaderFields, listOf, rawOf, valuesOf } from './header-fields.ts'

/** Servers send more than clients: cookies, policies. */
const RESPONSE_HEAD_BYTES_MAX = 128 * 1024

export interface Switched {
  readonly fields: HeaderFields
  readonly socket: Duplex
  readonly head: Buffer
}

/**
 * The one connection to the server that belongs to one connection of the job. When it ends, the job's ends too, as if there were no gate in between; so nothing is ever
 * sent twice, and no other step's or name's request ever shares it.
 */
export class Http1Upstream implements Upstream {
  readonly #agent: OneSocketAgent
  readonly #scope: ConnectionScope

  constructor(socket: Duplex, scope: ConnectionScope) {
    this.#agent = new OneSocketAgent(socket)
    this.#scope = scope
    scope.own(socket)
    scope.own(this.#agent)
  }

  request(head: OutgoingHead): UpstreamRequest {
    const sent = this.#send(head, framing(head))
    const response = this.#settle<UpstreamResponse>(sent, (settle) => {
      sent.on('response', (message) => settle(responseOf(message)))
      // Nobody asked for another protocol.
      sent.on('upgrade', (_message, socket) => {
        socket.destroy()
        settle(null)
      })
    })
    if (head.body === null) sent.end()
    else sent.flushHeaders()
    return {
      body: head.body === null ? null : (sent as Writable),
      response,
      onContinue: (listener) => void sent.once('continue', listener),
      abort: () => void sent.destroy(),
    }
  }

  /** A GET that asks for a websocket: the server switches, or answers. */
  upgrade(head: OutgoingHead): Promise<Switched | UpstreamResponse> {
    const asks = [
      { name: 'Connection', value: 'Upgrade' },
      { name: 'Upgrade', value: 'websocket' },
    ]
    const sent = this.#send(head, asks)
    const answer = this.#settle<Switched | UpstreamResponse>(sent, (settle) => {
      sent.on('response', (message) => settle(responseOf(message)))
      sent.on('upgrade', ({ rawHeaders }, socket, rest) => settle({ fields: fieldsOf(rawHeaders), socket, head: rest }))
    })
    sent.end()
    return answer
  }

  #send({ method, path, authority, fields }: OutgoingHead, more: HeaderFields): ClientRequest {
    const headers = rawOf([{ name: 'Host', value: authority }, ...fields, ...more])
    const options = { agent: this.#agent, method, path, headers, insecureHTTPParser: false, maxHeaderSize: RESPONSE_HEAD_BYTES_MAX }
    const sent = request(options)
    // The size is bounded. By number, Node would leave fields out without a word.
    sent.maxHeadersCount = 0
    return sent
  }

  /** Null: what came is no answer. */
  #settle<Result>(sent: ClientRequest, listen: (settle: (result: Result | null) => void) => void): Promise<Result> {
    return new Promise((resolve, reject) => {
      const fail = (isInvalid: boolean): void => {
        const reason = isInvalid ? "the server's answer is no valid HTTP" : 'the server broke off before it answered'
        reject(this.#scope.refused('unreachable', reason))
      }
      listen((result) => {
        if (result === null) fail(true)
        else resolve(result)
      })
      sent.on('error', (error: NodeJS.ErrnoException) => fail(error.code?.startsWith('HPE_') === true))
    })
  }
}

/** Content-Length as it was judged, or chunks: what comes in between is the gate's own parser's. */
function framing({ body, expectsContinue }: OutgoingHead): HeaderFields {
  if (body === null) return []
  const length =
    body.bytes === null ? { name: 'Transfer-Encoding', value: 'chunked' } : { name: 'Content-Length', value: String(body.bytes) }
  return expectsContinue ? [length, { name: 'Expect', value: '100-continue' }] : [length]
}

/** Null where it is not one that every program reads alike: an interim status at the end, or a body in another coding than chunks, in which nothing could be searched. */
function responseOf(message: IncomingMessage): UpstreamResponse | null {
  const fields = fieldsOf(message.rawHeaders)
  const codings = valuesOf(fields, 'transfer-encoding')
  const status = message.statusCode ?? 0
  if (status < 200 || codings.length > 1 || codings.some((coding) => coding.toLowerCase() !== 'chunked')) {
    message.destroy()
    return null
  }
  const isFramed = valuesOf(fields, 'content-length').length > 0 || codings.length > 0
  const options = listOf(fields, 'connection')
  const persists = message.httpVersion === '1.1' ? !options.includes('close') : options.includes('keep-alive')
  return {
    status,
    fields,
    body: message,
    isCut: () => !message.complete,
    trailers: () => [],
    lastOfConnection: !persists || !(isFramed || status === 204 || status === 304),
  }
}

/** Keeps one socket, and never opens another. */
class OneSocketAgent extends Agent {
  #socket: Duplex | null

  constructor(socket: Duplex) {
    super({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 })
    this.#socket = socket
  }

  /** Called for whoever asks, and at the end of a socket for whoever still waits for it: what this threw then would end the process. */
  override createConnection(_options: ClientRequestArgs, done?: (error: Error | null, socket: Duplex) => void): Duplex | null {
    const socket = this.#socket
    this.#socket = null
    if (socket !== null && !socket.destroyed) return socket
    done?.(new Error('the connection is used up'), null as never)
    return null
  }
}
