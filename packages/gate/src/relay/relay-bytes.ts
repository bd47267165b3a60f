// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { type Meter, RefusedError } from '../ports.ts'
import type { DirectSocket } from './direct-socket.ts'

export interface RelayOptions {
  /** What was read of the job's side already. */
  readonly head: Buffer
  /** Asked once, before the first bytes are passed on: `first` are the job's; null when the destination speaks first, or nobody did. */
  readonly meter: (first: Buffer | null) => Meter
  /** Without a byte in either direction. */
  readonly idleMs: number
  /** Of what the destination says first: whether it may go on; null while more is needed. Nothing of it is passed on until then. */
  readonly acceptsGreeting?: (bytes: Buffer) => boolean | null
}

/** `greeting`: the destination said something else than it has to. */
export type RelayEnd = 'done' | 'greeting' | RefusedError

/**
 * Passes bytes both ways until both halves have ended, and closes both connections: with a reset where anything but an end closed one. Never holds
 * more than one read of each direction: the next read waits until the kernel has taken the last one, and until the meter lets it. What was read before goes first.
 */
export function relayBytes(
  job: DirectSocket,
  destination: DirectSocket,
  { head, meter, idleMs, acceptsGreeting }: RelayOptions,
): Promise<RelayEnd> {
  return new Promise((resolve) => {
    let counting: Meter | undefined
    const sockets = [job.socket, destination.socket]
    let open = sockets.length
    const reset = (): void => sockets.forEach(resetSocket)
    const stop = (end: RelayEnd): void => {
      resolve(end)
      reset()
    }
    const finish = (): void => {
      counting ??= meter(null)
      resolve('done')
    }
    for (const socket of sockets) {
      socket.on('error', reset)
      socket.setTimeout(idleMs, reset)
      socket.once('close', () => {
        open -= 1
        if (open === 0) finish()
        // what did not end as agreed was broken off: the other side shall see that
        else if (!socket.readableEnded || !socket.writableFinished) reset()
      })
    }
    const countOut = (chunk: Buffer): Promise<void> | undefined => {
      counting ??= meter(chunk)
      return counting.out(chunk.length)
    }
    const countIn = (chunk: Buffer): Promise<void> | undefined => {
      counting ??= meter(null)
      return counting.in(chunk.length)
    }
    forward(job, destination, { head, count: countOut, accept: () => true, stop })
    forward(destination, job, { head: NOTHING, count: countIn, accept: acceptsGreeting ?? (() => true), stop })
  })
}

/** The peer gets RST, at once. */
export function resetSocket(socket: Socket): void {
  if (!socket.destroyed) socket.resetAndDestroy()
}

const NOTHING: Buffer = Buffer.alloc(0)

interface Forwarding {
  readonly head: Buffer
  readonly count: (chunk: Buffer) => Promise<void> | undefined
  readonly accept: (greeting: Buffer) => boolean | null
  readonly stop: (end: RelayEnd) => void
}

function forward(from: DirectSocket, to: DirectSocket, { head, count, accept, stop }: Forwarding): void {
  let waitsFor = 0
  const proceed = (): void => {
    waitsFor -= 1
    if (waitsFor === 0 && !from.socket.destroyed) from.resume()
  }
  const onWritten = (): void => {
    if (isWriting) proceed()
    isWriting = false
  }
  let isWriting = false

  /** Whether the next read may follow at once; otherwise it follows by itself. */
  const pass = (chunk: Buffer): boolean => {
    const rate = spend(count, chunk)
    if (rate instanceof RefusedError) {
      stop(rate)
      return false
    }
    to.socket.write(chunk, onWritten)
    // the kernel has taken all of it when nothing is left: then the buffer is free again
    isWriting = to.socket.writableLength > 0
    waitsFor = (isWriting ? 1 : 0) + (rate === undefined ? 0 : 1)
    if (rate !== undefined) void rate.then(proceed)
    return waitsFor === 0
  }

  from.reader = greetingReader(accept, {
    pass: (chunk) => {
      from.reader = pass
      return pass(chunk)
    },
    refuse: () => stop('greeting'),
  })
  from.socket.once('end', () => to.socket.end())
  const first = from.head.length === 0 ? head : Buffer.concat([head, from.head])
  if (first.length === 0 || from.read(first)) from.resume()
}

function spend(count: Forwarding['count'], chunk: Buffer): Promise<void> | undefined | RefusedError {
  try {
    return count(chunk)
  } catch (error) {
    if (error instanceof RefusedError) return error
    throw error
  }
}

/** Collects what comes first until it is accepted. `accept` bounds how much that is. */
function greetingReader(
  accept: Forwarding['accept'],
  { pass, refuse }: { readonly pass: (chunk: Buffer) => boolean; readonly refuse: () => void },
): (chunk: Buffer) => boolean {
  let greeting: Buffer = Buffer.alloc(0)
  return (chunk) => {
    // a copy: the chunk is not ours after this call
    greeting = Buffer.concat([greeting, chunk])
    const verdict = accept(greeting)
    if (verdict === false) refuse()
    return verdict === null || (verdict && pass(greeting))
  }
}
