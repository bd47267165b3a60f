// SPDX-License-Identifier: Apache-2.0
import type { EventEnvelope } from '@sallyport/core'
import { openFile } from './durable-file.ts'
import { EVENT_BYTES_MAX } from './journal-writer.ts'
import { StoreError } from './store-error.ts'

const NEWLINE = 0x0a

/**
 * The events of a journal in order, without loading it whole. Bytes after the last newline (a crash
 * in the middle of a write, or a writer at work) go to `onTorn`; anything else that is no event, or
 * is out of sequence, is corruption and throws.
 */
export async function* readJournal(path: string, onTorn: (bytes: number) => void): AsyncGenerator<EventEnvelope, void, undefined> {
  let seq = 0
  for await (const line of readLines(path, onTorn)) {
    seq += 1
    yield parseEvent(line, seq, path)
  }
}

async function* readLines(path: string, onTorn: (bytes: number) => void): AsyncGenerator<Buffer, void, undefined> {
  const handle = await openFile(path)
  try {
    let rest: Buffer[] = []
    let restBytes = 0
    for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
      let start = 0
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        const part = chunk.subarray(start, end)
        yield restBytes === 0 ? part : Buffer.concat([...rest, part])
        rest = []
        restBytes = 0
        start = end + 1
      }
      if (start < chunk.byteLength) rest.push(chunk.subarray(start))
      restBytes += chunk.byteLength - start
      if (restBytes > EVENT_BYTES_MAX)
        throw new StoreError('STORE_CORRUPT', `Cannot read the journal "${path}": a line is longer than any event`)
    }
    onTorn(restBytes)
  } finally {
    await handle.close()
  }
}

function parseEvent(line: Buffer, seq: number, path: string): EventEnvelope {
  const event = parseJson(line)
  if (!isEnvelope(event) || event.seq !== seq) {
    throw new StoreError('STORE_CORRUPT', `Cannot read the journal "${path}": line ${seq} is not event ${seq}`, {
      hint: 'The file was changed after it was written, or the disk lost a part of it',
    })
  }
  return event
}

function parseJson(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'))
  } catch {
    return null // No event either way; the caller names the line.
  }
}

function isEnvelope(value: unknown): value is EventEnvelope {
  if (typeof value !== 'object' || value === null) return false
  const { seq, run, at, type, job, step, data } = value as Record<string, unknown>
  const texts = typeof run === 'string' && typeof at === 'string' && typeof type === 'string'
  const names = [job, step].every((name) => name === undefined || typeof name === 'string')
  return typeof seq === 'number' && texts && names && typeof data === 'object' && data !== null && !Array.isArray(data)
}
