// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryLog, newSigner, policyOf, sourceEntries } from './_memory-log.ts'
import { AuditLogError, type AuditLogErrorCode } from './audit-log-error.ts'
import { encodeEntries } from './entry/entry-bundle.ts'
import { type EntryRange, type IndexedEntry, readEntries } from './entry/read-entries.ts'
import { proveEntry } from './prove-entry.ts'
import { parseProof, verifyProof } from './tlog-proof.ts'
import { leafHash } from './tree/hash.ts'

const signer = newSigner()
const policy = policyOf(signer, [], 0)
const newLog = (size = 700): MemoryLog => new MemoryLog(sourceEntries('run/1', size)).publish(signer)

function hasCode(code: AuditLogErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof AuditLogError && error.code === code
}

async function collect(log: MemoryLog, range: EntryRange): Promise<IndexedEntry[]> {
  return Array.fromAsync(readEntries(log, range))
}

describe('a proof of an entry', () => {
  it('stands alone: it carries the entry, and leads to the checkpoint', async () => {
    const log = newLog()
    const checkpoint = log.checkpoint(signer)
    for (const index of [0, 255, 256, 511, 512, 699]) {
      const bytes = await proveEntry({ source: log, checkpoint, index })
      const { extra } = parseProof(bytes)
      assert.deepEqual(Buffer.from(extra ?? []), Buffer.from(log.entries[index] ?? assert.fail()))
      assert.equal(verifyProof(bytes, leafHash(extra ?? assert.fail()), policy).isProven, true)
    }
  })

  it('is not handed out when it would not verify', async () => {
    const log = newLog()
    const other = new MemoryLog(sourceEntries('run/2', 700))
    await assert.rejects(proveEntry({ source: other, checkpoint: log.checkpoint(signer), index: 5 }), hasCode('AUDIT_LOG_DIFFERENT'))
    await assert.rejects(proveEntry({ source: log, checkpoint: log.checkpoint(signer), index: 700 }), RangeError)
  })

  it('is of the entry that was read already, when that is the one that was signed', async () => {
    const log = newLog()
    const checkpoint = log.checkpoint(signer)
    const request = { source: log, checkpoint, index: 300 }
    const entry = log.entries[300] ?? assert.fail()
    assert.deepEqual(await proveEntry({ ...request, entry }), await proveEntry(request))
    await assert.rejects(proveEntry({ ...request, entry: log.entries[301] ?? assert.fail() }), hasCode('AUDIT_LOG_DIFFERENT'))
  })
})

describe('the reader of entries', () => {
  it('reads any range', async () => {
    const log = newLog()
    for (const [from, to] of [
      [0, 700],
      [0, 0],
      [255, 257],
      [256, 512],
      [699, 700],
      [700, 700],
      [300, 301],
    ] as const) {
      const found = await collect(log, { size: 700, from, to })
      assert.deepEqual(
        found.map(({ index }) => index),
        Array.from({ length: to - from }, (_, at) => from + at),
      )
      for (const { index, bytes } of found) assert.deepEqual(Buffer.from(bytes), Buffer.from(log.entries[index] ?? assert.fail()))
    }
    await assert.rejects(collect(log, { size: 700, from: 0, to: 701 }), RangeError)
  })

  it('hands out no entry that is not the one of its tile', async () => {
    const log = newLog()
    log.files.set('tile/entries/001', encodeEntries(log.entries.slice(256, 512).with(44, Buffer.from('forged'))))
    assert.equal((await collect(log, { size: 700, from: 0, to: 256 })).length, 256)
    assert.equal((await collect(log, { size: 700, from: 301, to: 303 })).length, 2, 'what was forged is not asked for')
    await assert.rejects(collect(log, { size: 700, from: 300, to: 301 }), hasCode('AUDIT_LOG_DIFFERENT'))
    log.files.set('tile/entries/001', encodeEntries(log.entries.slice(256, 512).toSpliced(3, 1)))
    await assert.rejects(collect(log, { size: 700, from: 300, to: 301 }), hasCode('AUDIT_LOG_DIFFERENT'), 'one before it was removed')
    log.files.set('tile/entries/001', encodeEntries(log.entries.slice(256, 512).with(44, Buffer.from('forged'))))
    await assert.rejects(collect(log, { size: 700, from: 0, to: 700 }), hasCode('AUDIT_LOG_DIFFERENT'))
    log.files.set('tile/entries/001', encodeEntries(log.entries.slice(256, 500)))
    await assert.rejects(collect(log, { size: 700, from: 0, to: 700 }), hasCode('AUDIT_LOG_MISSING'))
    log.files.delete('tile/entries/001')
    await assert.rejects(collect(log, { size: 700, from: 0, to: 700 }), hasCode('AUDIT_LOG_MISSING'))
  })
})
