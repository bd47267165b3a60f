// SPDX-License-Identifier: Apache-2.0
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { ConnectionScope } from './connection-scope.ts'
import { exchange } from './exchange.ts'
import type { Upstream } from './exchange-sides.ts'
import type { OpenUpstream } from './http1-server.ts'
import { Http2Incoming } from './http2-incoming.ts'
import { FIELDS_MAX, HEAD_BYTES_MAX } from './read-request.ts'

const STREAM_WINDOW = 256 * 1024
const SESSION_WINDOW = 1024 * 1024

/**
 * What a job can make the gate do over one session. nghttp2 itself ends a session that sends more than eight CONTINUATION frames for one header section (CVE-2024-27316).
 */
const LIMITS = {
  settings: {
    maxConcurrentStreams: 100,
    initialWindowSize: STREAM_WINDOW,
    maxHeaderListSize: HEAD_BYTES_MAX,
    enableConnectProtocol: false,
  },
  maxSessionMemory: 8,
  // The fields of readRequest's limit, one more to be refused in words, and the pseudo-header fields.
  maxHeaderListPairs: FIELDS_MAX + 5,
  maxSessionInvalidFrames: 20,
  maxSessionRejectedStreams: 20,
  maxOutstandingPings: 4,
  maxSettings: 32,
  // Rapid reset (CVE-2023-44487): a client that gives up requests as fast as it makes them. A browser gives up some dozens at once.
  streamResetBurst: 200,
  streamResetRate: 20,
  unknownProtocolTimeout: 1000,
}

/** Serves one HTTP/2 session of a job; resolves at its end. */
export function serveHttp2(socket: TLSSocket, scope: ConnectionScope, open: OpenUpstream): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', resolve)
    if (socket.destroyed) {
      resolve()
      return
    }
    const session = performServerHandshake(socket, LIMITS)
    watch(session, scope)
    scope.own(session)
    session.setLocalWindowSize(SESSION_WINDOW)
    const upstream = renewed(open)
    // Whoever asks hears of it; perhaps nobody does.
    upstream().catch(() => undefined)
    session.on('stream', (stream: ServerHttp2Stream, _headers, flags: number, raw: readonly string[]) => {
      const incoming = new Http2Incoming(stream, raw, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)
      exchange(incoming, scope, upstream).catch(scope.end)
    })
  })
}

/**
 * The session with the server, and another one once that takes no more requests: servers end sessions after a thousand of them, and a client that asks for many at once would lose those
 * that cross the end.
 */
function renewed(open: OpenUpstream): () => Promise<Upstream> {
  let current: Promise<Upstream> | null = null
  return () => {
    if (current !== null) return current
    const opened = open(() => {
      if (current === opened) current = null
    })
    opened.catch(() => {
      if (current === opened) current = null
    })
    current = opened
    return opened
  }
}

function watch(session: ServerHttp2Session, scope: ConnectionScope): void {
  session.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_HTTP2_ERROR' || error.code === 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES')
      scope.report(scope.refused('malformed', 'the session is no valid HTTP/2, or floods the gate').refusal)
    session.destroy()
  })
  session.once('close', scope.end)
}
