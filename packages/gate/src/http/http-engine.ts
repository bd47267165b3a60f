// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { JobAuthority } from '../authority/job-authority.ts'
import type { GateConfig } from '../contract.ts'
import { type HttpConnection, type OpenStep, RefusedError } from '../ports.ts'
import { ConnectionScope } from './connection-scope.ts'
import { hasPlaceholders } from './destination.ts'
import type { Upstream } from './exchange-sides.ts'
import { Http1Server, type OpenUpstream } from './http1-server.ts'
import { Http1Upstream } from './http1-upstream.ts'
import { serveHttp2 } from './http2-server.ts'
import { Http2Upstream } from './http2-upstream.ts'
import { StepSubstitutions } from './substitution.ts'
import { acceptTls, openTls, PROTOCOLS } from './tls-termination.ts'
import { type AskToken, TokenServer } from './token-server.ts'

export interface HttpEngineOptions {
  /** Null where no rule terminates TLS: a TLS connection is then refused. */
  readonly authority: JobAuthority | null
  readonly config: GateConfig
}

/** All HTTP of one job, in clear and inside terminated TLS. */
export interface HttpEngine {
  /**
   * Owns the connection's socket from here on: the caller has taken its listeners off and paused it. Resolves when the connection is over, whatever happened on it, and never
   * rejects; every refusal was reported once, and answered.
   */
  serve(connection: HttpConnection): Promise<void>
  /** The same, for a connection to where tokens are asked for: nothing of it goes out. */
  serveTokens(socket: Socket, ask: AskToken): Promise<void>
}

export function createHttpEngine(options: HttpEngineOptions): HttpEngine {
  return new TerminatingEngine(options)
}

/** The server's end of a terminated connection, or why there is none: the client is told over its own TLS, which it can read. */
type ServerEnd = { readonly protocol: string; readonly open: OpenUpstream }

class TerminatingEngine implements HttpEngine {
  readonly #authority: JobAuthority | null
  readonly #http1: Http1Server = new Http1Server()
  readonly #tokens: TokenServer = new TokenServer()
  readonly #substitutions: WeakMap<OpenStep, StepSubstitutions> = new WeakMap()
  readonly #authorities: string | null
  #trust: SecureContext | null = null

  constructor({ authority, config }: HttpEngineOptions) {
    this.#authority = authority
    this.#authorities = config.authorities
  }

  async serve(connection: HttpConnection): Promise<void> {
    const scope = new ConnectionScope(connection, this.#substitutionsOf(connection.step))
    try {
      await (connection.hello === null ? this.#servePlain(scope) : this.#serveTls(scope, connection.hello.applicationProtocols))
    } catch (error) {
      // Untrusted: whatever a job did to get here, it ends this connection and nothing else.
      const { refusal } = error instanceof RefusedError ? error : scope.refused('malformed', 'the gate could not serve this connection')
      if (!scope.signal.aborted) scope.report(refusal)
    } finally {
      scope.end()
    }
  }

  serveTokens(socket: Socket, ask: AskToken): Promise<void> {
    return this.#tokens.serve(socket, ask)
  }

  #servePlain(scope: ConnectionScope): Promise<void> {
    const { socket, head, dialer, target } = scope.connection
    if (head.length > 0) socket.unshift(head)
    return this.#http1.serve(socket, scope, async (onEnd) => {
      const server = await dialer.dial(target, scope.signal)
      server.once('close', onEnd)
      return new Http1Upstream(server, scope)
    })
  }

  async #serveTls(scope: ConnectionScope, clientProtocols: readonly string[]): Promise<void> {
    const { hello, target } = scope.connection
    if (this.#authority === null) throw scope.refused('protocol', 'no rule lets the gate read this connection')
    if (hello?.serverName !== target.name) throw scope.refused('server-name', 'the server name is not that of the destination')
    const offered = clientProtocols.filter((protocol) => PROTOCOLS.includes(protocol))
    const speaksOld = clientProtocols.includes('http/1.0')
    if (clientProtocols.length > 0 && offered.length === 0 && !speaksOld)
      throw scope.refused('protocol', 'the client speaks neither HTTP/1 nor HTTP/2')
    const { context } = this.#authority.certificateFor(target.name)
    const server = await this.#serverEnd(scope, offered)
    const socket = await acceptTls(scope, { context, protocol: offered.length > 0 ? server.protocol : speaksOld ? 'http/1.0' : null })
    if (server.protocol === 'h2') await serveHttp2(socket, scope, server.open)
    else await this.#http1.serve(socket, scope, server.open)
  }

  /** The server first: which version of HTTP the client gets is its choice. */
  async #serverEnd(scope: ConnectionScope, offered: readonly string[]): Promise<ServerEnd> {
    try {
      let first: TLSSocket | null = await openTls(scope, this.#trustedContext(), offered)
      const protocol = first.alpnProtocol === 'h2' ? 'h2' : 'http/1.1'
      if (protocol === 'http/1.1' && offered.length > 0 && !offered.includes(protocol))
        throw scope.refused('protocol', 'the client speaks HTTP/2 only, the server does not')
      const open = async (onEnd: () => void): Promise<Upstream> => {
        const socket = first ?? (await openTls(scope, this.#trustedContext(), [protocol]))
        first = null
        if (protocol === 'h2') return new Http2Upstream(socket, scope, onEnd)
        socket.once('close', onEnd)
        return new Http1Upstream(socket, scope)
      }
      return { protocol, open }
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
      scope.report(error.refusal)
      return { protocol: offered[0] === 'h2' && offered.length === 1 ? 'h2' : 'http/1.1', open: () => Promise.reject(error) }
    }
  }

  /** Made once: reading a bundle of authorities takes milliseconds. */
  #trustedContext(): SecureContext {
    this.#trust ??= createSecureContext({ minVersion: 'TLSv1.2', ...(this.#authorities === null ? {} : { ca: this.#authorities }) })
    return this.#trust
  }

  #substitutionsOf(step: OpenStep): StepSubstitutions | null {
    if (!hasPlaceholders(step.doors) && step.doors.honeytokens.length === 0) return null
    const known = this.#substitutions.get(step) ?? new StepSubstitutions(step)
    this.#substitutions.set(step, known)
    return known
  }
}
