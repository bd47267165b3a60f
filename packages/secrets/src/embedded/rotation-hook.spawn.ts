// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '@sallyport/core'
import { SECRET_BYTES_MAX } from '../contract.ts'
import type { RotationPhase } from './store-content.ts'

/** A database that is busy takes minutes; a program that takes longer waits for somebody. */
const HOOK_MS = 10 * 60_000
/** So long after its end its pipes are read on, where something else still has them. */
const LEFT_BEHIND_MS = 2000
const STDERR_BYTES_MAX = 16 * 1024

export interface HookCall {
  readonly program: string
  readonly phase: RotationPhase
  readonly name: string
  /** The same for every call of one rotation, also when it is taken up again. */
  readonly rotation: string
  readonly old: Uint8Array
  /** Null in the phase `create`, which makes it. */
  readonly candidate: Uint8Array | null
}

export interface HookResult {
  /** Null: it has succeeded. Else what stands after the program's name. */
  readonly failure: string | null
  readonly stdout: Buffer
  /** The last of it. It may have anything in it, also the values. */
  readonly stderr: Buffer
}

/**
 * `PROGRAM PHASE NAME ROTATION`, with the old value as descriptor 3 and the new one as descriptor 4: of neither there is a trace in arguments, in the
 * environment or in a file. It has the environment of whoever calls.
 */
export async function runHook({ program, phase, name, rotation, old, candidate }: HookCall): Promise<HookResult> {
  const child = spawn(program, [phase, name, rotation], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    signal: AbortSignal.timeout(HOOK_MS),
    killSignal: 'SIGKILL',
  })
  const [, stdout, stderr, oldPipe, newPipe] = child.stdio as [null, Readable, Readable, Writable, Writable]
  const [printed, complained] = [collect(stdout, SECRET_BYTES_MAX + 2), collect(stderr, STDERR_BYTES_MAX)]
  for (const [pipe, value] of [
    [oldPipe, old],
    [newPipe, candidate ?? Buffer.alloc(0)],
  ] as const)
    pipe.on('error', () => undefined).end(value) // It need not read what it does not want.
  const failure = await endOf(child)
  // What it has left behind may hold them open, and of a program that was never started they stay open by themselves
  for (const stream of [stdout, stderr, oldPipe, newPipe]) stream.destroy()
  return { failure, stdout: printed(), stderr: complained() }
}

/** Null: it has succeeded. All that it had printed when it ended has been read by then. */
async function endOf(child: ChildProcess): Promise<string | null> {
  const closed = once(child, 'close').catch(() => undefined)
  try {
    const [code, signal] = (await once(child, 'exit')) as unknown[]
    await Promise.race([closed, sleep(LEFT_BEHIND_MS, undefined, { ref: false })])
    if (code === 0) return null
    return signal === null ? `ended with exit code ${String(code)}` : `was ended by ${String(signal)}`
  } catch (error) {
    return error instanceof Error && error.name === 'AbortError'
      ? `did not end within ${HOOK_MS} ms`
      : `cannot be started: ${messageOf(error)}`
  }
}

/** The last so many bytes. */
function collect(stream: Readable, bytesMax: number): () => Buffer {
  let bytes = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]).subarray(-bytesMax)
  })
  return () => bytes
}
