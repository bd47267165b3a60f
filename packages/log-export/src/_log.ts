// SPDX-License-Identifier: Apache-2.0
// A published log in memory, and records of it.
import { generateKeyPairSync } from 'node:crypto'
import {
  CompactRange,
  ed25519Signer,
  encodeEntries,
  encodeEntry,
  entriesPath,
  formatCheckpoint,
  formatNote,
  type LogEntry,
  leafHash,
  TILE_WIDTH,
  type TileSource,
  tilesOf,
} from '@sallyport/audit-log'
import type { ExportRecord } from './contract.ts'

export const ORIGIN = 'log.example.test/audit'

const signer = ed25519Signer(ORIGIN, generateKeyPairSync('ed25519').privateKey)

function testEntry(seq: number, more: Partial<LogEntry> = {}): LogEntry {
  return { v: 1, at: '2026-11-29T12:00:00.123Z', source: 'run/r1', seq, type: 'step.log', ...more }
}

export function testRecord(index: number, more: Partial<LogEntry> = {}): ExportRecord {
  const entry = testEntry(index + 1, more)
  return { origin: ORIGIN, index, leaf: encodeEntry(entry), entry, omittedDataBytes: 0 }
}

export function testEntries(count: number, from = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => encodeEntry(testEntry(from + index + 1)))
}

/** Its checkpoint and bundles; tiles of hashes are not what an export reads. */
export class MemoryLog implements TileSource {
  readonly files = new Map<string, Uint8Array>()
  readonly entries: Uint8Array[] = []
  /** Paths that cannot be read at the moment. */
  failure: Error | null = null

  publish(more: readonly Uint8Array[], origin = ORIGIN): this {
    this.entries.push(...more)
    const range = new CompactRange()
    for (const entry of this.entries) range.append(leafHash(entry))
    for (const { index, level, width } of tilesOf(this.entries.length))
      if (level === 0)
        this.files.set(entriesPath({ index, width }), encodeEntries(this.entries.slice(index * TILE_WIDTH, index * TILE_WIDTH + width)))
    const text = formatCheckpoint({ origin, size: range.size, root: range.root(), extensions: [] })
    this.files.set('checkpoint', formatNote({ text, signatures: [signer.sign(text)] }))
    return this
  }

  async read(path: string): Promise<Uint8Array | null> {
    if (this.failure !== null) throw this.failure
    return this.files.get(path) ?? null
  }
}
