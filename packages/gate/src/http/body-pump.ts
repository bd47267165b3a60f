// SPDX-License-Identifier: Apache-2.0
import type { Readable, Writable } from 'node:stream'

/** What bytes go through on their way; may hold some back, and may throw a RefusedError. */
export interface BodyStage {
  write(chunk: Buffer): Uint8Array
  end(): Uint8Array
}

export interface PumpOptions {
  /** Of a chunk before it is sent on; see {@link Meter}. */
  readonly count: (bytes: number) => Promise<void> | undefined
  readonly touch: () => void
  readonly stage: BodyStage | null
  /** Ends the sink together with this many bytes, so that one frame has the last of them and says so. Null: its owner ends it. */
  readonly endsAt: number | null
}

/**
 * Sends all of `source` on, never more at a time than the two streams' own buffers hold. Ends neither, but for `endsAt`.
 * @throws what `count` and the stage throw, and an error when either stream breaks.
 */
export async function pump(source: Readable, sink: Writable, { count, touch, stage, endsAt }: PumpOptions): Promise<void> {
  let sent = 0
  for await (const chunk of source.iterator({ destroyOnReturn: false })) {
    const bytes = chunk as Buffer
    touch()
    await count(bytes.length)
    sent += bytes.length
    await send(sink, stage === null ? bytes : stage.write(bytes), sent === endsAt)
  }
  if (stage !== null) await send(sink, stage.end(), false)
}

function send(sink: Writable, bytes: Uint8Array, isLast: boolean): Promise<void> | undefined {
  if (bytes.length === 0) return undefined
  if (sink.destroyed || sink.writableEnded) throw new Error('the other side is gone')
  const isRoom = sink.write(bytes)
  // In the same turn: only then is it one frame.
  if (isLast) sink.end()
  return isRoom || isLast ? undefined : drained(sink)
}

function drained(sink: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | null): void => {
      sink.off('drain', onDrain).off('close', onClose).off('error', onClose)
      if (error === null) resolve()
      else reject(error)
    }
    const onDrain = (): void => settle(null)
    const onClose = (): void => settle(new Error('the other side is gone'))
    sink.on('drain', onDrain).on('close', onClose).on('error', onClose)
  })
}
