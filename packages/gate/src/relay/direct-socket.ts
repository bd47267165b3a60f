// SPDX-License-Identifier: Apache-2.0
import { Socket, type SocketConstructorOpts } from 'node:net'
import { ReadBuffer, type ReadBufferBudget } from './read-buffers.ts'

/** Gets each read's bytes, which are its own only until it returns; false: read no more until `resume`. */
export type Reader = (chunk: Buffer) => boolean

interface Handle {
  readStop(): number
}

/** What net.Server and net.connect themselves use of net.Socket. */
interface SocketParts {
  _handle: Handle | null
}

/**
 * A TCP connection that is read into one buffer of ours, without a stream in between: half the time and a fraction of the memory of `pipe`
 * (bench/gate.ts). Node offers that (`onread`) for what it dials only, so the connection's handle moves from the socket that it came with to
 * another one: the one undocumented thing here, which direct-socket.test.ts holds every Node to. There is no way back. Reads nothing until `resume`.
 */
export class DirectSocket {
  /** For writing, for its events (`end`, `error`, `close`), and for its end. Half-open: `end` from the peer ends only its half. */
  readonly socket: Socket
  /** What Node had read already; not given to the reader by itself. */
  readonly head: Buffer
  readonly #buffer: ReadBuffer
  #reader: Reader = () => false

  /** Takes over `from`, which is of no use afterwards. @throws TypeError when it is closed already. */
  constructor(from: Socket, budget: ReadBufferBudget) {
    const { handle, head } = takeHandle(from)
    this.head = head
    this.#buffer = new ReadBuffer(budget)
    let bytesRead = 0
    let isFirst = true
    const options = {
      handle,
      // as of a server with pauseOnConnect
      pauseOnCreate: true,
      allowHalfOpen: true,
      onread: {
        // asked once before the first read, and after each
        buffer: (): Buffer => {
          if (isFirst) {
            isFirst = false
            return this.#buffer.bytes
          }
          return this.#buffer.next(bytesRead)
        },
        callback: (length: number, bytes: Uint8Array) => {
          bytesRead = length
          return this.#reader((bytes as Buffer).subarray(0, length))
        },
      },
    }
    this.socket = new Socket(options as unknown as SocketConstructorOpts)
    this.socket.once('close', () => this.#buffer.release())
  }

  /** Whose reads they are from now on. */
  set reader(reader: Reader) {
    this.#reader = reader
  }

  /** What the reader says of bytes that were read elsewhere. */
  read(chunk: Buffer): boolean {
    return this.#reader(chunk)
  }

  resume(): void {
    this.socket.resume()
  }

  pause(): void {
    this.socket.pause()
  }
}

function takeHandle(from: Socket): { readonly handle: Handle; readonly head: Buffer } {
  const parts = from as unknown as SocketParts
  const handle = parts._handle
  if (handle === null || from.destroyed) throw new TypeError('the connection is closed')
  from.pause()
  const head: Buffer[] = []
  for (let chunk: unknown = from.read(); chunk !== null; chunk = from.read()) head.push(chunk as Buffer)
  parts._handle = null
  from.removeAllListeners()
  // It has nothing to close any more; its server stops counting it.
  from.destroy()
  return { handle, head: Buffer.concat(head) }
}
