// SPDX-License-Identifier: Apache-2.0
// Syslog over TCP (RFC 6587, octet counting) and TLS (RFC 5425, which counts octets, too).
import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { messageOf } from '@sallyport/core'
import { ExportError } from '../export-error.ts'

export interface SyslogAddress {
  readonly host: string
  readonly port: number
  /** Null: TCP as it is, which anybody on the way can read and change. */
  readonly tls: SyslogTls | null
}

export interface SyslogTls {
  /** Certificates (PEM) that the receiver's may be issued by; null for the system's. It has to be for the name that is connected to. */
  readonly ca: string | null
  /** Our own certificate and key (PEM), where the receiver wants one. */
  readonly identity: { readonly certificate: string; readonly key: string } | null
}

/** Connecting takes one way there and back, or two with TLS, and as much work as a refusal. */
const SETTLE_CONNECTS = 4
const SETTLE_MS_MIN = 50

/**
 * Sends messages over a connection of their own, and resolves when the receiver has closed it after us. Syslog has no acknowledgement:
 * a receiver that reads to our end and then closes has read everything, while what was only written may still be lost with a connection
 * that breaks. One that refuses us closes, too, and under TLS 1.3 only after we believe to be connected: so our end comes when it had the
 * time to do that.
 *
 * @throws ExportError EXPORT_FAILED
 */
export async function sendSyslog(
  address: SyslogAddress,
  messages: readonly string[],
  { idleMs, signal }: { idleMs: number; signal: AbortSignal },
): Promise<void> {
  const { host, port, tls } = address
  const deadline = new AbortController()
  const socket = open(address)
  // Some event without an error of the socket's own must end the waits below
  using _watch = watchProgress(socket, idleMs)
  const abort = (): void => void socket.destroy(new Error('the export was ended'))
  signal.addEventListener('abort', abort, { once: true })
  socket.once('error', (error) => deadline.abort(error))
  const startMs = performance.now()
  try {
    signal.throwIfAborted()
    await once(socket, tls === null ? 'connect' : 'secureConnect', { signal: deadline.signal })
    const settleMs = Math.max(SETTLE_MS_MIN, SETTLE_CONNECTS * (performance.now() - startMs))
    await converse(socket, messages, { settleMs, signal: deadline.signal })
  } catch (error) {
    const cause: unknown = deadline.signal.aborted ? deadline.signal.reason : error
    throw new ExportError('EXPORT_FAILED', `Cannot send to syslog at ${host} port ${port}: ${messageOf(cause)}`, { cause })
  } finally {
    signal.removeEventListener('abort', abort)
    socket.destroy()
  }
}

function open({ host, port, tls }: SyslogAddress): Socket {
  if (tls === null) return connectPlain({ host, port })
  const { ca, identity } = tls
  return connectTls({
    host,
    port,
    minVersion: 'TLSv1.2',
    ...(/^[0-9.]+$|:/.test(host) ? {} : { servername: host }),
    ...(ca === null ? {} : { ca }),
    ...(identity === null ? {} : { cert: identity.certificate, key: identity.key }),
  })
}

/**
 * Ends a connection that takes nothing of ours for `idleMs`, or for twice that. What the receiver says is no progress: one that only talks, and never reads
 * or never closes, would hold the export for ever, and nobody would be told.
 */
function watchProgress(socket: Socket, idleMs: number): Disposable {
  let [taken, wasOpen] = [-1, true]
  const timer = setInterval(() => {
    const [now, isOpen] = [socket.bytesWritten - socket.writableLength, !socket.writableEnded]
    if (now === taken && isOpen === wasOpen) socket.destroy(new Error(`nothing was taken for ${idleMs} ms`))
    ;[taken, wasOpen] = [now, isOpen]
  }, idleMs)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

async function converse(
  socket: Socket,
  messages: readonly string[],
  { settleMs, signal }: { settleMs: number; signal: AbortSignal },
): Promise<void> {
  let isOurEnd = false
  const theirEnd = new Promise<void>((resolve, reject) => {
    socket.once('end', () => (isOurEnd ? resolve() : reject(new Error('the receiver closed the connection too early'))))
    socket.once('close', () => reject(new Error('the connection broke')))
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  // It may reject while a write is waited for
  theirEnd.catch(() => undefined)
  // A receiver says nothing; should one, it is not for us
  socket.resume()
  for (const message of messages)
    if (!socket.write(`${message.length} ${message}`)) await Promise.race([once(socket, 'drain', { signal }), theirEnd])
  await Promise.race([sleep(settleMs), theirEnd])
  isOurEnd = true
  socket.end()
  await theirEnd
}
