// SPDX-License-Identifier: Apache-2.0
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { Duplex, Readable } from 'node:stream'
import type { ConnectionScope } from './connection-scope.ts'
import { type OutgoingHead, UnprocessedError, type Upstream, type UpstreamRequest, type UpstreamResponse } from './exchange-sides.ts'
import { fieldsOf, type HeaderFields, lowerRawOf } from './header-fields.ts'

/** What a server may send ahead of a job that reads slowly: of one stream, and of all. Enough for 100 Mbit/s at 80 ms and at 160 ms. */
const STREAM_WINDOW = 1024 * 1024
const SESSION_WINDOW = 2 * 1024 * 1024

/** A session with the server for one session of the job, and for no other. Ends with it, or before it: then the next request has another. */
export class Http2Upstream implements Upstream {
  readonly #session: ClientHttp2Session
  readonly #scope: ConnectionScope

  /** `onEnd`: the server takes no further requests. */
  constructor(socket: Duplex, scope: ConnectionScope, onEnd: () => void) {
    this.#scope = scope
    this.#session = connect(scope.destination.origin, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
      maxSessionMemory: 16,
      maxReservedRemoteStreams: 0,
    })
    this.#session.once('connect', () => this.#session.setLocalWindowSize(SESSION_WINDOW))
    // Its streams fail, and say so to their clients.
    this.#session.on('error', () => this.#session.destroy())
    this.#session.once('close', onEnd).once('goaway', onEnd)
    scope.own(this.#session)
    scope.own(socket)
  }

  request({ method, path, authority, fields, body, expectsContinue }: OutgoingHead): UpstreamRequest {
    if (this.#session.closed || this.#session.destroyed) throw new UnprocessedError()
    const pseudo = [':method', method, ':scheme', 'https', ':authority', authority, ':path', path]
    const framing = body?.bytes === null || body === null ? [] : ['content-length', String(body.bytes)]
    const expects = expectsContinue ? ['expect', '100-continue'] : []
    const stream = this.#session.request([...pseudo, ...lowerRawOf(fields), ...framing, ...expects], { endStream: body === null })
    return {
      body: body === null ? null : stream,
      response: this.#responseOf(stream),
      onContinue: (listener) => void stream.once('continue', listener),
      // Not close(): that ends the body first, as if it were whole.
      abort: () => void stream.destroy(new Error('the exchange was broken off')),
    }
  }

  #responseOf(stream: ClientHttp2Stream): Promise<UpstreamResponse> {
    return new Promise((resolve, reject) => {
      let trailers: HeaderFields = []
      stream.on('trailers', (_headers, _flags, raw) => {
        trailers = fieldsOf(raw)
      })
      stream.on('response', (headers, _flags, raw) => {
        resolve({
          status: headers[':status'] ?? 0,
          fields: fieldsOf(raw).filter(({ name }) => !name.startsWith(':')),
          body: stream as Readable,
          isCut: () => stream.rstCode !== constants.NGHTTP2_NO_ERROR,
          trailers: () => trailers,
          lastOfConnection: false,
        })
      })
      const fail = (): void => {
        const isUnprocessed = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM
        reject(isUnprocessed ? new UnprocessedError() : this.#scope.refused('unreachable', 'the server broke off before it answered'))
      }
      stream.on('error', fail).once('close', fail)
    })
  }
}
