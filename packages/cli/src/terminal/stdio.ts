// SPDX-License-Identifier: Apache-2.0
import { write } from 'node:fs'
import type { WriteStream } from 'node:tty'
import type { Sink } from './sink.ts'

/** What a terminal that stands still (Ctrl-S) may be behind by, before output for it is dropped. */
const TERMINAL_QUEUE_BYTES_MAX = 8 * 2 ** 20

const DRAIN_MS = 500

export interface Stdio {
  readonly stdout: Sink
  readonly stderr: Sink
  /** Resolves when terminals took what was written, or are not going to. */
  drained(): Promise<void>
}

/**
 * The process's own stdout and stderr. A pipe or a file holds us up while its reader is slow, which holds
 * up the job in turn. A terminal never does: time limits, Ctrl-C and clean-up go on while it stands still,
 * and the record of the run has what it missed.
 */
export function openStdio(onClosed: (stream: 'stdout' | 'stderr') => void): Stdio {
  const queue = new TerminalQueue()
  const stdout = openSink(process.stdout, 1, queue, () => onClosed('stdout'))
  const stderr = openSink(process.stderr, 2, queue, () => onClosed('stderr'))
  return { stdout, stderr, drained: () => queue.drained() }
}

function openSink(stream: NodeJS.WriteStream & { fd?: number }, fd: number, queue: TerminalQueue, onClosed: () => void): Sink {
  const isTerminal = stream.isTTY === true
  let isBroken = false
  stream.on('error', () => {
    if (isBroken) return
    isBroken = true // EPIPE or EIO: the reader is gone, and there is nobody to tell.
    onClosed()
  })
  return {
    isTerminal,
    get columns() {
      return (stream as WriteStream).columns || 80
    },
    get rows() {
      return (stream as WriteStream).rows || 24
    },
    get isBroken() {
      return isBroken || queue.isBroken
    },
    write: (chunk) => {
      if (isBroken) return
      if (isTerminal) queue.push(fd, typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
      else stream.write(chunk)
    },
  }
}

/** One order over both descriptors, written by a thread, so that a stopped terminal blocks only that thread. */
class TerminalQueue {
  #waiting: { readonly fd: number; readonly bytes: Uint8Array }[] = []
  #waitingBytes = 0
  #droppedBytes = 0
  #isWriting = false
  #isBroken = false

  get isBroken(): boolean {
    return this.#isBroken
  }

  push(fd: number, bytes: Uint8Array): void {
    if (this.#isBroken || bytes.byteLength === 0) return
    if (this.#waitingBytes > TERMINAL_QUEUE_BYTES_MAX) {
      this.#droppedBytes += bytes.byteLength
      return
    }
    if (this.#droppedBytes > 0) {
      this.#enqueue(2, Buffer.from(`\nsallyport: ${this.#droppedBytes} bytes are not shown here, the terminal was too slow\n`))
      this.#droppedBytes = 0
    }
    this.#enqueue(fd, bytes)
  }

  async drained(): Promise<void> {
    const deadline = Date.now() + DRAIN_MS
    while (this.#waiting.length > 0 && !this.#isBroken && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2))
  }

  #enqueue(fd: number, bytes: Uint8Array): void {
    this.#waiting.push({ fd, bytes })
    this.#waitingBytes += bytes.byteLength
    this.#next()
  }

  #next(): void {
    const head = this.#waiting[0]
    if (this.#isWriting || head === undefined) return
    this.#isWriting = true
    write(head.fd, head.bytes, (error, written) => {
      this.#isWriting = false
      if (error !== null && error.code !== 'EAGAIN') {
        this.#isBroken = true
        this.#waiting = []
        return
      }
      this.#advance(error === null ? written : 0)
      if (error === null) this.#next()
      else setTimeout(() => this.#next(), 5)
    })
  }

  #advance(written: number): void {
    const head = this.#waiting[0]
    if (head === undefined) return
    this.#waitingBytes -= written
    if (written === head.bytes.byteLength) this.#waiting.shift()
    else this.#waiting[0] = { fd: head.fd, bytes: head.bytes.subarray(written) }
  }
}
