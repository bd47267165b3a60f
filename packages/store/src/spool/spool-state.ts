// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { HASH_BYTES } from '@sallyport/audit-log'
import { createDurably, type DurableFile, openForWriting, readWhole, syncDirectory } from '../durable-file.ts'
import { StoreError } from '../store-error.ts'
import type { RecordLink } from './contract.ts'

/** What the disk has to remember beyond the records. */
export interface SpoolState {
  /** 16 hexadecimal digits, by chance: a spool whose directory was lost is another one. */
  readonly id: string
  /** Everything before it has arrived. */
  readonly sent: number
  /** At least this is the next record's number: those before it are in the files, or lost. */
  readonly next: number
  /** The last record before `sent` that was not lost. */
  readonly previous: RecordLink | null
}

/** A slot is a page: a write that is torn leaves the other one whole. */
const SLOT_BYTES = 4096
const SLOTS = 2
const FILE_BYTES = SLOTS * SLOT_BYTES
const SUM_CHARS = 8
const ID_BYTES = 8

/**
 * Two slots that are overwritten in turn, in place: that needs no room on the disk. A spool on a full disk can say what has arrived, remove it, and so make
 * room; and it can count what it loses.
 */
export class SpoolStateFile {
  readonly #file: DurableFile
  #generation: number

  private constructor(file: DurableFile, generation: number) {
    this.#file = file
    this.#generation = generation
  }

  /** A new one where there is none. @throws StoreError STORE_CORRUPT */
  static async open(path: string): Promise<{ readonly file: SpoolStateFile; readonly state: SpoolState; readonly isNew: boolean }> {
    const isNew = (await readWhole(path, FILE_BYTES)) === null
    if (isNew) await create(path)
    const bytes = (await readWhole(path, FILE_BYTES)) ?? Buffer.alloc(0)
    const slots = [0, 1].flatMap((slot) => parseSlot(bytes.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)) ?? [])
    const [latest] = slots.toSorted((a, b) => b.generation - a.generation)
    if (latest === undefined) throw new StoreError('STORE_CORRUPT', `Cannot read "${path}": it does not say what has arrived`)
    return { file: new SpoolStateFile(await openForWriting(path), latest.generation), state: latest.state, isNew }
  }

  /** Resolves when it is durable. Calls must not overlap. */
  async write(state: SpoolState): Promise<void> {
    const generation = this.#generation + 1
    await this.#file.write(formatSlot(generation, state), (generation % SLOTS) * SLOT_BYTES)
    await this.#file.datasync()
    this.#generation = generation
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

/** With both slots filled: their room is taken from now on. */
async function create(path: string): Promise<void> {
  const state: SpoolState = { id: randomBytes(ID_BYTES).toString('hex'), sent: 1, next: 1, previous: null }
  const temporary = `${path}.new`
  await rm(temporary, { force: true })
  await createDurably(temporary, Buffer.concat([formatSlot(0, state), formatSlot(1, state)]))
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

/** One line of JSON, blanks, and the sum of both. */
function formatSlot(generation: number, { id, sent, next, previous }: SpoolState): Buffer {
  const link = previous === null ? null : [previous.number, Buffer.from(previous.hash).toString('base64')]
  const text = `${JSON.stringify({ generation, id, sent, next, previous: link })}\n`.padEnd(SLOT_BYTES - SUM_CHARS, ' ')
  return Buffer.from(`${text}${sumOf(text)}`)
}

function sumOf(text: string): string {
  return crc32(text).toString(16).padStart(SUM_CHARS, '0')
}

/** Null for what a crash has left of a slot. */
function parseSlot(bytes: Buffer): { readonly generation: number; readonly state: SpoolState } | null {
  const text = bytes.toString('latin1', 0, SLOT_BYTES - SUM_CHARS)
  if (bytes.byteLength !== SLOT_BYTES || bytes.toString('latin1', SLOT_BYTES - SUM_CHARS) !== sumOf(text)) return null
  const { generation, id, sent, next, previous } = JSON.parse(text) as Readonly<Record<string, unknown>>
  const link = parseLink(previous)
  if (![generation, sent, next].every(isNumber) || typeof id !== 'string' || !/^[0-9a-f]{16}$/.test(id) || link === undefined) return null
  return { generation: generation as number, state: { id, sent: sent as number, next: next as number, previous: link } }
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function parseLink(value: unknown): RecordLink | null | undefined {
  if (value === null) return null
  const [number, text] = Array.isArray(value) ? (value as unknown[]) : []
  const hash = Buffer.from(String(text), 'base64')
  return isNumber(number) && hash.byteLength === HASH_BYTES ? { number, hash } : undefined
}
