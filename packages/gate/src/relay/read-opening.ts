// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { DirectSocket } from './direct-socket.ts'
import { OPENING_BYTES_MAX, type Opening, readOpening } from './opening.ts'

export interface ReadOpening {
  readonly opening: Exclude<Opening, { readonly kind: 'incomplete' }>
  /** All that was read; what came after it is still in the connection, which is paused and has no listeners of ours. */
  readonly head: Buffer
}

/** Waits for a paused connection's first bytes. Null: it ended or failed before it had said what it is. */
export function waitForOpening(connection: Socket | DirectSocket, timeoutMs: number): Promise<ReadOpening | null> {
  return new Promise((resolve) => {
    const socket = connection instanceof DirectSocket ? connection.socket : connection
    let head: Buffer = Buffer.alloc(0)
    const finish = (result: ReadOpening | null): void => {
      clearTimeout(timer)
      socket.pause()
      socket.off('data', onData).off('end', onEnd).off('close', onEnd)
      if (connection instanceof DirectSocket) connection.reader = () => true
      resolve(result)
    }
    const refuse = (reason: string): void => finish({ opening: { kind: 'refused', code: 'protocol', reason }, head })
    const onData = (chunk: Buffer): void => {
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
      const opening = readOpening(head)
      if (opening.kind !== 'incomplete') finish({ opening, head })
      else if (head.length >= OPENING_BYTES_MAX) refuse('neither TLS, HTTP nor SSH')
    }
    const onEnd = (): void => finish(null)
    const timer = setTimeout(() => refuse(head.length === 0 ? 'it said nothing' : 'its first bytes did not say what it is'), timeoutMs)
    socket.on('end', onEnd).on('close', onEnd)
    if (connection instanceof DirectSocket) connection.reader = copyingReader(onData, () => !socket.isPaused())
    else socket.on('data', onData)
    socket.resume()
  })
}

function copyingReader(onData: (chunk: Buffer) => void, wantsMore: () => boolean): (chunk: Buffer) => boolean {
  return (chunk) => {
    onData(Buffer.from(chunk))
    return wantsMore()
  }
}
