// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { type Meter, RefusedError } from '../ports.ts'
import type { DirectSocket } from './direct-socket.ts'

/** Of bytes that nobody has passed on yet: they may go on; more are needed to say (null); or they are refused. Bounds by itself how much it asks for. */
export type FirstWords = (bytes: Buffer) => true | null | RefusedError

export interface RelayOptions {
  /** What was read of the job's side already. */
  readonly head: Buffer
  /** Asked once, before the first bytes are passed on: `first` are the job's; null when the destination speaks first, or nobody did. */
  readonly meter: (first: Buffer | null) => Meter
  /** Without a byte in either direction. */
  readonly idleMs: number
  /** Of what the destination says first. */
  readonly acceptsGreeting?: FirstWords
  /** What the job says after `head` waits until the greeting was accepted, and is accepted itself. */
  readonly reply?: Reply
}

export interface Reply {
  /** What was read of it already. */
  readonly begun: Buffer
  readonly accepts: FirstWords
}

export type RelayEnd = 'done' | RefusedError

/**
 * Passes bytes both ways until both halves have ended, and closes both connections: with a reset where anything but an end closed one. Never holds
 * more than one read of each direction: the next read waits until the meter has let the last one go on, and the kernel has taken it. What was read before goes first.
 */
export function relayBytes(
  job: DirectSocket,
  destination: DirectSocket,
  { head, meter, idleMs, acceptsGreeting = ANYTHING, reply }: RelayOptions,
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
      counting.close()
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
    const greeted = Promise.withResolvers<void>()
    const hear: FirstWords = (bytes) => {
      const verdict = acceptsGreeting(bytes)
      if (verdict === true) greeted.resolve()
      return verdict
    }
    const held = reply === undefined ? null : { ...reply, until: greeted.promise }
    forward(job, destination, { head, count: countOut, accept: ANYTHING, held, stop })
    forward(destination, job, { head: NOTHING, count: countIn, accept: hear, held: null, stop })
  })
}

/** The peer gets RST, at once. */
export function resetSocket(socket: Socket): void {
  if (!socket.destroyed) socket.resetAndDestroy()
}

const NOTHING: Buffer = Buffer.alloc(0)
const ANYTHING: FirstWords = () => true

interface Forwarding {
  readonly head: Buffer
  readonly count: (chunk: Buffer) => Promise<void> | undefined
  readonly accept: FirstWords
  /** What follows `head`, which then is accepted already. */
  readonly held: (Reply & { readonly until: Promise<void> }) | null
  readonly stop: (end: RelayEnd) => void
}

function forward(from: DirectSocket, to: DirectSocket, { head, count, accept, held, stop }: Forwarding): void {
  let waitsFor = 0
  let goOn = (): void => from.resume()
  const proceed = (): void => {
    waitsFor -= 1
    if (waitsFor === 0 && !from.socket.destroyed) goOn()
  }
  const onWritten = (): void => {
    if (isWriting) proceed()
    isWriting = false
  }
  let isWriting = false

  const send = (chunk: Buffer): void => {
    to.socket.write(chunk, onWritten)
    // the kernel has taken all of it when nothing is left: then the buffer is free again
    isWriting = to.socket.writableLength > 0
    if (isWriting) waitsFor += 1
  }
  /** Whether the next read may follow at once; otherwise it follows by itself. */
  const pass = (chunk: Buffer): boolean => {
    const rate = spend(count, chunk)
    if (rate instanceof RefusedError) {
      stop(rate)
      return false
    }
    if (rate === undefined) send(chunk)
    else {
      waitsFor += 1
      // Before it goes on, not after: a rate that is used up holds for a new connection, too.
      void rate.then(() => {
        if (!to.socket.destroyed) send(chunk)
        proceed()
      })
    }
    return waitsFor === 0
  }
  const begin = (accepts: FirstWords, bytes: Buffer): void => {
    from.reader = firstReader(accepts, {
      pass: (chunk) => {
        from.reader = pass
        return pass(chunk)
      },
      refuse: stop,
    })
    const first = from.head.length === 0 ? bytes : Buffer.concat([bytes, from.head])
    if (first.length === 0 || from.read(first)) from.resume()
  }

  from.socket.once('end', () => to.socket.end())
  if (held === null) return begin(accept, head)
  goOn = () => {
    goOn = () => from.resume()
    begin(held.accepts, held.begun)
  }
  waitsFor = 1
  pass(head)
  void held.until.then(proceed)
}

function spend(count: Forwarding['count'], chunk: Buffer): Promise<void> | undefined | RefusedError {
  try {
    return count(chunk)
  } catch (error) {
    if (error instanceof RefusedError) return error
    throw error
  }
}

/** Collects what comes first until it is accepted. */
function firstReader(
  accepts: FirstWords,
  { pass, refuse }: { readonly pass: (chunk: Buffer) => boolean; readonly refuse: (refusal: RefusedError) => void },
): (chunk: Buffer) => boolean {
  let words: Buffer = NOTHING
  return (chunk) => {
    // a copy: the chunk is not ours after this call
    words = Buffer.concat([words, chunk])
    const verdict = accepts(words)
    if (verdict instanceof RefusedError) {
      refuse(verdict)
      return false
    }
    return verdict === null || pass(words)
  }
}
