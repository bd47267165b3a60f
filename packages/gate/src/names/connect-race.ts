// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from 'node:net'

export interface RaceOptions {
  readonly port: number
  /** How long one attempt is alone before the next begins beside it (RFC 8305 section 5). */
  readonly staggerMs: number
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Null: the connection is good. Otherwise it is closed, and this is the attempt's failure. */
  readonly verify: (socket: Socket, address: string) => string | null
}

export type RaceResult =
  | { readonly kind: 'connected'; readonly socket: Socket }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'aborted' }

const KEEP_ALIVE_MS = 30_000

/**
 * The first of the addresses, in their order, that takes a connection. Half-open: the peer's end does not end our side. The socket
 * keeps a listener for `error`, so that one that comes before its owner listens ends the connection and not the gate.
 */
export function connectFirst(
  addresses: readonly string[],
  { port, staggerMs, timeoutMs, signal, verify }: RaceOptions,
): Promise<RaceResult> {
  return new Promise((resolve) => {
    const attempts = new Set<Socket>()
    let begun = 0
    let why = 'there is no address'
    let stagger: NodeJS.Timeout | undefined

    const end = (result: RaceResult): void => {
      clearTimeout(deadline)
      clearTimeout(stagger)
      signal.removeEventListener('abort', abort)
      for (const attempt of attempts) attempt.destroy()
      attempts.clear()
      begun = addresses.length
      resolve(result)
    }
    const abort = (): void => end({ kind: 'aborted' })
    const begin = (): void => {
      clearTimeout(stagger)
      const address = addresses[begun]
      if (address === undefined) return attempts.size === 0 ? end({ kind: 'failed', why }) : undefined
      begun += 1
      const socket = connect({
        host: address,
        port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
        allowHalfOpen: true,
      })
      attempts.add(socket)
      const fail = (reason: string): void => {
        socket.destroy()
        // not one that the end of the race closed
        if (!attempts.delete(socket)) return
        why = reason
        begin()
      }
      socket.on('error', (error) => fail(error.message))
      socket.once('connect', () => {
        const wrong = verify(socket, address)
        if (wrong !== null) return fail(wrong)
        attempts.delete(socket)
        end({ kind: 'connected', socket })
      })
      stagger = setTimeout(begin, staggerMs)
    }
    const deadline = setTimeout(() => end({ kind: 'failed', why: `no answer within ${timeoutMs} ms` }), timeoutMs)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort)
    begin()
  })
}
