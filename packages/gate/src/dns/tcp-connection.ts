// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'

/** A question with EDNS and padding (RFC 8467) is far below; what is longer is no question. */
const MESSAGE_BYTES_MAX = 4096
/** Answers that the job has not fetched; beyond, nothing more is read. */
const UNSENT_BYTES_MAX = 64 * 1024

export interface TcpQuestions {
  /** The answer to one message, or null to end the connection. */
  readonly answer: (message: Buffer) => Buffer | null
  /** From one whole message to the next, and for the answers to be fetched. Bytes that trickle in do not count. */
  readonly idleMs: number
}

/**
 * DNS over one accepted TCP connection (RFC 7766): messages behind two length octets, cut or joined anyhow, each answered by itself and in order. Ends at
 * the first message that deserves no answer.
 */
export function serveTcpQuestions(socket: Socket, { answer, idleMs }: TcpQuestions): void {
  let unread: Buffer = Buffer.alloc(0)
  const idle = setTimeout(() => socket.destroy(), idleMs)

  const readMessages = (): void => {
    let at = 0
    while (socket.writableLength <= UNSENT_BYTES_MAX && at + 2 <= unread.length) {
      const length = unread.readUInt16BE(at)
      if (length > MESSAGE_BYTES_MAX) return void socket.destroy()
      if (at + 2 + length > unread.length) break
      const response = answer(unread.subarray(at + 2, at + 2 + length))
      if (response === null) return void socket.destroy()
      at += 2 + length
      idle.refresh()
      socket.write(withLength(response))
    }
    unread = unread.subarray(at)
    if (socket.writableLength > UNSENT_BYTES_MAX) socket.pause()
  }

  socket.on('data', (chunk: Buffer) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk])
    readMessages()
  })
  socket.on('drain', () => {
    readMessages()
    if (socket.writableLength <= UNSENT_BYTES_MAX) socket.resume()
  })
  socket.on('end', () => socket.end())
  // the job's end broke; 'close' follows
  socket.on('error', () => undefined)
  socket.on('close', () => clearTimeout(idle))
}

function withLength(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(2 + message.length)
  framed.writeUInt16BE(message.length, 0)
  message.copy(framed, 2)
  return framed
}
