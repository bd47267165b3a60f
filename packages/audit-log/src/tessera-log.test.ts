// SPDX-License-Identifier: Apache-2.0
// A log that transparency-dev/tessera wrote (testdata/log), with its checkpoints of the sizes 0 to 15.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { outsideVectors } from './_outside-vectors.ts'
import { parseCheckpoint } from './checkpoint.ts'
import type { TileSource } from './contract.ts'
import { decodeEntries } from './entry/entry-bundle.ts'
import { noteVerifier } from './note/keys.ts'
import { parseNote } from './note/note.ts'
import { openNote } from './note/open-note.ts'
import { parseVerifierKey } from './note/verifier-key.ts'
import { parsePolicy } from './policy/parse-policy.ts'
import { formatProof, verifyProof } from './tlog-proof.ts'
import { equalHashes, leafHash } from './tree/hash.ts'
import { proveConsistency, proveInclusion, rootAt } from './tree/prove.ts'
import { entriesPath } from './tree/tile.ts'
import { TileHashes } from './tree/tile-hashes.ts'
import { verifyConsistency } from './tree/verify-proof.ts'
import { verifyLog } from './verify/verify-log.ts'

const { folder, skip } = outsideVectors('tessera-log')
const VKEY = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'
const key = parseVerifierKey(VKEY)
const policy = parsePolicy(Buffer.from(`log ${VKEY}\nquorum none\n`))

const fileOf = (path: string): Buffer | null => (existsSync(join(folder, path)) ? readFileSync(join(folder, path)) : null)
const read = (path: string): Buffer => fileOf(path) ?? assert.fail(`${path} is not there`)
const checkpointFile = (size: number): Buffer => read(`checkpoint.${size}`)
const headAt = (size: number) => parseCheckpoint(parseNote(checkpointFile(size)).text)
/** The log as it was at that size. */
const sourceAt = (size: number): TileSource => ({
  read: (path) => Promise.resolve(path === 'checkpoint' ? checkpointFile(size) : fileOf(path)),
})
const sizes = Array.from({ length: 16 }, (_, size) => size)

describe('the log of tessera', { skip }, () => {
  it('has checkpoints that its key signed, over the roots of its tiles', async () => {
    for (const size of sizes) {
      const note = parseNote(checkpointFile(size))
      assert.equal(openNote(note, [noteVerifier(key)]).length, 1)
      assert.equal(headAt(size).size, size)
      assert.ok(equalHashes(await rootAt(new TileHashes(sourceAt(size), size), size), headAt(size).root), `${size}`)
    }
  })

  it('is found to be sound at every size', async () => {
    for (const size of sizes) {
      const trust = { origin: key.name, epochs: [{ key, firstSize: 0, lastSize: null, seal: null }], policy }
      const remembered = sizes.filter((earlier) => earlier <= size).map((earlier) => ({ ...headAt(earlier), from: 'its checkpoint' }))
      const clock = { nowS: 0, freshnessS: null }
      const report = await verifyLog({ source: sourceAt(size), trust, clock, remembered, minimumIndex: 0, hasOurEntries: false })
      assert.deepEqual([report.findings, report.entriesChecked], [[], size])
    }
  })

  it('grows from each of its sizes to each later one', async () => {
    for (const size of sizes.slice(1)) {
      for (const oldSize of sizes.slice(1, size + 1)) {
        const proof = await proveConsistency(new TileHashes(sourceAt(size), size), oldSize, size)
        assert.ok(verifyConsistency({ old: headAt(oldSize), head: headAt(size), proof }), `${oldSize} to ${size}`)
      }
    }
  })

  it('gives proofs that stand alone', async () => {
    for (const size of sizes.slice(1)) {
      for (const [index, entry] of decodeEntries(read(entriesPath({ index: 0, width: size }))).entries()) {
        const proof = await proveInclusion(new TileHashes(sourceAt(size), size), index, size)
        const bytes = formatProof({ extra: null, index, proof, checkpoint: checkpointFile(size) })
        assert.equal(verifyProof(bytes, leafHash(entry), policy).isProven, true)
        assert.equal(verifyProof(bytes, leafHash(Buffer.from('another')), policy).isProven, false)
      }
    }
  })
})
