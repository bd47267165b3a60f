// SPDX-License-Identifier: Apache-2.0
import type { TileSource } from '@sallyport/audit-log'
import { type LogLook, lookAtLog } from '@sallyport/store'
import { type LocatedLog, readHead } from './located-log.ts'
import { joined } from './readable-log.ts'

/** Others hold the log for some tens of milliseconds, or 3 s for witnesses that do not answer. */
const LOOK_WAIT_MS = 20_000

/** All entries of a log that can be read. */
export interface VisibleLog {
  readonly source: TileSource
  readonly size: number
}

/** As it stands; `also` is read at the same moment. */
export function lookAt<T>({ directory }: LocatedLog, also: () => Promise<T>): Promise<LogLook<T>> {
  return lookAtLog(directory, { waitMs: LOOK_WAIT_MS, also })
}

/** Of this state directory's own log, what is durable, published or not; of another, what is published. */
export async function visibleLog(log: LocatedLog): Promise<VisibleLog> {
  const { durable } = log.isOwn ? await lookAt(log, async () => null) : { durable: null }
  if (durable !== null && 'source' in durable) return { source: joined(durable.source, log), size: durable.head.size }
  const { size } = await readHead(log)
  return { source: log.source, size }
}
