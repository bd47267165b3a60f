// SPDX-License-Identifier: Apache-2.0
// A log in memory, written the plain way: the tests' measure for what reads logs.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { formatCheckpoint } from './checkpoint.ts'
import type { Hash, KeyEpoch, LogEntry, TileSource, TreeHead } from './contract.ts'
import { encodeEntries } from './entry/entry-bundle.ts'
import { encodeEntry } from './entry/log-entry.ts'
import { type Cosigner, cosignatureSigner, ed25519Signer, type NoteSigner } from './note/keys.ts'
import { formatNote } from './note/note.ts'
import { formatVerifierKey } from './note/verifier-key.ts'
import { type Policy, parsePolicy } from './policy/parse-policy.ts'
import { leafHash, nodeHash, sha256 } from './tree/hash.ts'
import { entriesPath, TILE_WIDTH, tilePath, tilesOf } from './tree/tile.ts'

export const ORIGIN = 'log.example.test/audit'
export const NOW_S = 1_700_000_000

export function newPrivateKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey
}

/** RFC 6962, 2.1, as it is defined. */
export function plainRoot(leaves: readonly Hash[]): Hash {
  const [first] = leaves
  if (first === undefined) return sha256(new Uint8Array(0))
  if (leaves.length === 1) return first
  let power = 1
  while (power * 2 < leaves.length) power *= 2
  return nodeHash(plainRoot(leaves.slice(0, power)), plainRoot(leaves.slice(power)))
}

export class MemoryLog implements TileSource {
  readonly files = new Map<string, Uint8Array>()
  readonly entries: Uint8Array[]
  readonly leaves: Hash[]

  constructor(entries: readonly Uint8Array[]) {
    this.entries = [...entries]
    this.leaves = entries.map(leafHash)
    for (const tile of tilesOf(entries.length)) {
      this.files.set(tilePath(tile), this.#tile(tile.level, tile.index, tile.width))
      const start = tile.index * TILE_WIDTH
      if (tile.level === 0) this.files.set(entriesPath(tile), encodeEntries(entries.slice(start, start + tile.width)))
    }
  }

  get head(): TreeHead {
    return this.headAt(this.leaves.length)
  }

  headAt(size: number): TreeHead {
    return { size, root: plainRoot(this.leaves.slice(0, size)) }
  }

  read(path: string): Promise<Uint8Array | null> {
    return Promise.resolve(this.files.get(path) ?? null)
  }

  checkpoint(signer: NoteSigner, cosigners: readonly Cosigner[] = [], timestampS: number = NOW_S): Uint8Array {
    const text = formatCheckpoint({ origin: ORIGIN, ...this.head, extensions: [] })
    return formatNote({ text, signatures: [signer.sign(text), ...cosigners.map((cosigner) => cosigner.cosign(text, timestampS))] })
  }

  publish(signer: NoteSigner, cosigners: readonly Cosigner[] = [], timestampS: number = NOW_S): this {
    this.files.set('checkpoint', this.checkpoint(signer, cosigners, timestampS))
    return this
  }

  #tile(level: number, index: number, width: number): Uint8Array {
    const span = TILE_WIDTH ** level
    const start = index * TILE_WIDTH * span
    return Buffer.concat(Array.from({ length: width }, (_, at) => plainRoot(this.leaves.slice(start + at * span, start + (at + 1) * span))))
  }
}

export function newSigner(name: string = ORIGIN): NoteSigner {
  return ed25519Signer(name, newPrivateKey())
}

export function newWitnesses(count: number): Cosigner[] {
  return Array.from({ length: count }, (_, index) => cosignatureSigner(`w${index + 1}.example.test`, newPrivateKey()))
}

export function epochOf(signer: NoteSigner): KeyEpoch {
  return { key: signer.key, firstSize: 0, lastSize: null, seal: null }
}

/** `threshold` of the witnesses; none without any. */
export function policyOf(signer: NoteSigner, witnesses: readonly Cosigner[], threshold: number): Policy {
  const lines = witnesses.map(({ key }, index) => `witness w${index + 1} ${formatVerifierKey(key)}`)
  const names = witnesses.map((_, index) => `w${index + 1}`)
  const quorum = witnesses.length === 0 ? ['quorum none'] : [`group all-of-them ${threshold} ${names.join(' ')}`, 'quorum all-of-them']
  return parsePolicy(Buffer.from(`${[`log ${formatVerifierKey(signer.key)}`, ...lines, ...quorum].join('\n')}\n`))
}

export function logEntry(source: string, seq: number, more: Partial<LogEntry> = {}): LogEntry {
  return { v: 1, at: new Date((NOW_S - 60) * 1000).toISOString(), source, seq, type: 'step.log', ...more }
}

/** Sources one after the other, each from its opening to its end. */
export function sourceEntries(source: string, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const seq = index + 1
    if (seq === 1) return encodeEntry(logEntry(source, seq, { type: 'source.opened' }))
    if (seq === count) return encodeEntry(logEntry(source, seq, { type: 'source.closed', data: { events: seq, dropped: {} } }))
    return encodeEntry(logEntry(source, seq, { job: 'build', data: { text: `line ${seq}` } }))
  })
}
