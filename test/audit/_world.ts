// SPDX-License-Identifier: Apache-2.0
// A log, those who witness it, and root, who has every file and the log's key. Nobody has the witnesses' keys.
import {
  AuditLogError,
  type Checkpoint,
  type Cosigner,
  cosignatureSigner,
  encodeEntry,
  followKeys,
  formatCheckpoint,
  formatKeys,
  formatNote,
  formatRotation,
  type KeyEpoch,
  type LogEntry,
  type LogReport,
  type LogVerification,
  type NoteSignature,
  type NoteSigner,
  parseKeys,
  proveConsistency,
  type RememberedHead,
  type RotatedEpoch,
  TileHashes,
  type TreeHead,
  verifyConsistency,
  verifyLog,
} from '@sallyport/audit-log'
import { type MemoryLog, NOW_S, newPrivateKey, newSigner, ORIGIN, policyOf } from '../../packages/audit-log/src/_memory-log.ts'

export const HOUR_S = 3600
/** Of the honest log: when it was published before, and last. */
export const EARLIER_S = NOW_S - 2 * HOUR_S
export const RECENTLY_S = NOW_S - 120
export const LAST_S = NOW_S - 60

/** Remembers the tree that it has cosigned, and cosigns nothing that does not grow from it. */
class Witness {
  readonly cosigner: Cosigner
  readonly #memory = new Memory()

  constructor(name: string) {
    this.cosigner = cosignatureSigner(name, newPrivateKey())
  }

  async cosign(log: MemoryLog, timestampS: number): Promise<NoteSignature | null> {
    return (await this.#memory.take(log)) ? this.cosigner.cosign(textOf(log.head), timestampS) : null
  }

  /** Somebody put an older disk into it. */
  forget(): void {
    this.#memory.latest = null
  }
}

/** Of a witness, and of the log's own signer, which is the first of them. */
class Memory {
  latest: TreeHead | null = null

  /** False for what does not grow from it, which it does not remember. */
  async take(log: MemoryLog): Promise<boolean> {
    const [head, old] = [log.head, this.latest]
    if (old !== null && !(await grows(log, old, head))) return false
    this.latest = head
    return true
  }
}

async function grows(log: MemoryLog, old: TreeHead, head: TreeHead): Promise<boolean> {
  if (old.size > head.size) return false
  return verifyConsistency({ old, head, proof: await proveConsistency(new TileHashes(log, head.size), old.size, head.size) })
}

function textOf(head: TreeHead): string {
  return formatCheckpoint({ origin: ORIGIN, ...head, extensions: [] } satisfies Checkpoint)
}

export type Witnessing = 'none' | 'one' | 'two-of-three'

export class World {
  readonly signer: NoteSigner = newSigner()
  readonly witnesses: readonly Witness[]
  readonly #threshold: number
  epochs: KeyEpoch[] = [{ key: this.signer.key, firstSize: 0, lastSize: null, seal: null }]
  /** Once a key was changed: what is published beside the tree. A newcomer then trusts the first key alone, and follows that. */
  keys: Uint8Array | null = null
  remembered: RememberedHead[] = []
  /** As its signer has noted them. */
  #noted: RotatedEpoch[] = [{ key: this.signer.key, firstSize: 0, lastSize: null, seal: null, rotation: null }]
  /** What the signer on the log's host remembers: root signs with its key, and does not touch this. */
  readonly #signed = new Memory()

  constructor(witnessing: Witnessing) {
    const count = { none: 0, one: 1, 'two-of-three': 3 }[witnessing]
    this.witnesses = Array.from({ length: count }, (_, index) => new Witness(`w${index + 1}.example.test`))
    this.#threshold = count === 3 ? 2 : count
  }

  /** Signs with the log's key (or another one), and asks every witness. */
  async publish(log: MemoryLog, timestampS: number = LAST_S, signer: NoteSigner = this.signer): Promise<MemoryLog> {
    const text = textOf(log.head)
    const cosignatures: NoteSignature[] = []
    for (const witness of this.witnesses) {
      const cosignature = await witness.cosign(log, timestampS)
      if (cosignature !== null) cosignatures.push(cosignature)
    }
    await this.#signed.take(log)
    log.files.set('checkpoint', formatNote({ text, signatures: [signer.sign(text), ...cosignatures] }))
    return log
  }

  /** The key `from` seals what is published of `log`, and vouches for `to`. */
  rotate(log: MemoryLog, from: NoteSigner, to: NoteSigner): void {
    const [seal, size] = [log.checkpoint(from), log.head.size]
    const text = formatRotation({ origin: ORIGIN, size, oldKey: from.key, newKey: to.key })
    const rotation = formatNote({ text, signatures: [from.sign(text), to.sign(text)] })
    const ended = this.#noted.map((epoch) => (epoch.lastSize === null ? { ...epoch, lastSize: size, seal } : epoch))
    this.#noted = [...ended, { key: to.key, firstSize: size, lastSize: null, seal: null, rotation }]
    this.epochs = [...this.#noted]
    this.keys = formatKeys(this.#noted)
  }

  /** What somebody finds who has the log's keys and the policy, and has never seen the log before. */
  async check(log: MemoryLog): Promise<LogReport> {
    if (this.#noted.length === 1) return verifyLog(this.#verification(log, this.epochs))
    const { epochs, problem } = followKeys([this.signer.key], [listed(this.keys)])
    const report = await verifyLog(this.#verification(log, epochs))
    // As `audit verify` does
    return problem === null ? report : { ...report, isSound: false, manipulation: report.manipulation ?? 'key-swapped' }
  }

  /** What is found on the log's own host, where its signer remembers what it has signed, and where entries are that no checkpoint has yet. */
  checkOnHost(log: MemoryLog): Promise<LogReport> {
    const { latest } = this.#signed
    const remembered = latest === null ? [] : [{ ...latest, from: 'the memory of its signer' }]
    return verifyLog({ ...this.#verification(log, this.epochs), remembered, durable: { source: log, head: log.head } })
  }

  #verification(log: MemoryLog, epochs: readonly KeyEpoch[]): LogVerification {
    const cosigners = this.witnesses.map(({ cosigner }) => cosigner)
    const trust = { origin: ORIGIN, epochs, policy: policyOf(this.signer, cosigners, this.#threshold) }
    const clock = { nowS: NOW_S, freshnessS: HOUR_S }
    return { source: log, trust, clock, remembered: this.remembered, minimumIndex: 0, hasOurEntries: true }
  }
}

function listed(keys: Uint8Array | null): readonly RotatedEpoch[] {
  try {
    return keys === null ? [] : parseKeys(keys)
  } catch (error) {
    if (error instanceof AuditLogError) return []
    throw error
  }
}

/** The honest entries of some runs. */
export function runEntries(run: string, count: number, atS: number): Uint8Array[] {
  const at = new Date(atS * 1000).toISOString()
  return Array.from({ length: count }, (_, index) => {
    const seq = index + 1
    const entry = { v: 1, at, source: `run/${run}`, seq } as const
    if (seq === 1) return encodeEntry({ ...entry, type: 'source.opened' })
    if (seq === count - 1) return encodeEntry({ ...entry, type: 'job.closed', job: 'build', data: { events: count - 2 } })
    if (seq === count) return encodeEntry({ ...entry, type: 'source.closed', data: { events: count, dropped: {} } })
    return encodeEntry({ ...entry, type: 'secret.leased', job: 'build', data: { secret: `TOKEN_${seq}` } })
  })
}

/** Another entry in the place of one, as whoever hides something would write it. */
export function altered(entry: Uint8Array): Uint8Array {
  const honest = JSON.parse(Buffer.from(entry).toString()) as LogEntry
  return encodeEntry({ ...honest, data: { secret: 'NONE' } })
}
