// SPDX-License-Identifier: Apache-2.0
import { connect, type SecureContext, TLSSocket } from 'node:tls'
import type { ConnectionScope } from './connection-scope.ts'
import { cleaned } from './refusal-text.ts'

/** The two versions of HTTP that the gate speaks, as ALPN names them. */
export const PROTOCOLS: readonly string[] = ['h2', 'http/1.1']

/**
 * TLS to the real server, whose certificate is verified for the connection's name, always.
 * @throws RefusedError `upstream-certificate`, `unreachable`, and what the dialer throws.
 */
export async function openTls(scope: ConnectionScope, context: SecureContext, offered: readonly string[]): Promise<TLSSocket> {
  const { dialer, target, config } = scope.connection
  const raw = await dialer.dial(target, scope.signal)
  scope.own(raw)
  const socket = connect({
    socket: raw,
    servername: target.name,
    secureContext: context,
    rejectUnauthorized: true,
    // A client that offers nothing speaks HTTP/1.1.
    ALPNProtocols: offered.length === 0 ? ['http/1.1'] : [...offered],
  })
  scope.own(socket)
  await settled(socket, 'secureConnect', config.limits.connectMs).catch((error: NodeJS.ErrnoException) => {
    throw socket.authorizationError === undefined || socket.authorizationError === null
      ? scope.refused('unreachable', `TLS with the server failed (${error.code ?? 'closed'})`)
      : scope.refused('upstream-certificate', `the server's certificate is not accepted for ${target.name} (${flawOf(error)})`)
  })
  return socket
}

/** Node has no code for what OpenSSL calls too weak, and OpenSSL's own words instead. */
const flawOf = ({ code, message }: NodeJS.ErrnoException): string => (code === 'UNSPECIFIED' ? cleaned(message) : (code ?? 'invalid'))

export interface Acceptance {
  readonly context: SecureContext
  /** What the client is told that the server chose; null where it offered nothing. */
  readonly protocol: string | null
}

/**
 * The job's end of TLS, as the server that it meant.
 * @throws RefusedError when the client does not go on: most often because it does not trust the job's authority.
 */
export async function acceptTls(scope: ConnectionScope, { context, protocol }: Acceptance): Promise<TLSSocket> {
  const { socket: raw, head, target, config } = scope.connection
  if (head.length > 0) raw.unshift(head)
  const socket = new TLSSocket(raw, {
    isServer: true,
    secureContext: context,
    ...(protocol === null ? {} : { ALPNProtocols: [protocol] }),
  })
  scope.own(socket)
  // Node gives errors of a TLS socket that no server owns to this event, and leaves the socket open.
  socket.on('_tlsError', (error: Error) => socket.destroy(error))
  await settled(socket, 'secure', config.limits.helloMs).catch((error: NodeJS.ErrnoException) => {
    throw scope.refused(
      'protocol',
      `the client did not go on with TLS (${error.code ?? 'closed'}): does it trust the authority of the job?`,
    )
  })
  // As Node's own TLS server does: HTTP/2 would wait for an event that only a client's socket has.
  Object.assign(socket, { secureConnecting: false })
  socket.disableRenegotiation()
  // A second ClientHello (RFC 8446 section 4.1.4) could have named another one.
  if ((socket as { readonly servername?: unknown }).servername !== target.name)
    throw scope.refused('server-name', 'the server name changed')
  return socket
}

function settled(socket: TLSSocket, event: 'secure' | 'secureConnect', limitMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(Object.assign(new Error('too slow'), { code: 'ETIMEDOUT' })), limitMs)
    const settle = (error: Error | null): void => {
      clearTimeout(timer)
      if (error === null) resolve()
      else reject(error)
    }
    socket.once(event, () => settle(null))
    socket.on('error', settle)
    socket.once('close', () => settle(new Error('closed')))
    if (socket.destroyed) settle(new Error('closed'))
  })
}
