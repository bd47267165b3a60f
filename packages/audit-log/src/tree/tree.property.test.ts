// SPDX-License-Identifier: Apache-2.0
// Trees against the definitions of RFC 6962, and the exhaustive case of golang.org/x/mod/sumdb/tlog (v0.17.0): 100 leaves.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { MemoryLog, plainRoot } from '../_memory-log.ts'
import { AuditLogError } from '../audit-log-error.ts'
import type { Hash, HashReader } from '../contract.ts'
import { CompactRange } from './compact-range.ts'
import { emptyRoot, equalHashes, leafHash, nodeHash } from './hash.ts'
import { edgeAt, proveConsistency, proveInclusion, rootAt } from './prove.ts'
import { tilePath } from './tile.ts'
import { TileHashes } from './tile-hashes.ts'
import { verifyConsistency, verifyInclusion } from './verify-proof.ts'

const RUNS = process.env['SLOW'] === '1' ? 2000 : 60
const LEAVES = 1500
const log = new MemoryLog(Array.from({ length: LEAVES }, (_, index) => Buffer.from(`leaf ${index}`)))
const hashes = new TileHashes(log, LEAVES)

function flipped(hash: Hash, bit: number): Hash {
  const copy = Buffer.from(hash)
  const at = Math.floor(bit / 8) % copy.length
  copy.writeUInt8(copy.readUInt8(at) ^ (1 << (bit % 8)), at)
  return copy
}

describe('hashing', () => {
  it('is that of RFC 6962', () => {
    // The roots of the reference implementation of RFC 6962 for its eight test leaves, and the hash of no entries
    const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
    const range = new CompactRange()
    for (const leaf of leaves) range.append(leafHash(Buffer.from(leaf, 'hex')))
    assert.equal(Buffer.from(emptyRoot()).toString('hex'), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    assert.equal(Buffer.from(leafHash(Buffer.alloc(0))).toString('hex'), '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')
    assert.equal(Buffer.from(range.root()).toString('hex'), '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328')
  })
})

describe('a compact range', () => {
  it('has the root of every size, and goes on from its edge', () => {
    let range = new CompactRange()
    for (let size = 0; size <= 300; size++) {
      assert.ok(equalHashes(range.root(), plainRoot(log.leaves.slice(0, size))), `${size}`)
      range = new CompactRange(range.size, range.edge)
      range.append(log.leaves[size] ?? assert.fail())
    }
  })

  it('takes complete subtrees where they fit', () => {
    const range = new CompactRange()
    range.appendSubtree(8, plainRoot(log.leaves.slice(0, 256)))
    range.appendSubtree(2, plainRoot(log.leaves.slice(256, 260)))
    assert.ok(equalHashes(range.root(), plainRoot(log.leaves.slice(0, 260))))
    assert.throws(() => range.appendSubtree(3, log.leaves[0] ?? assert.fail()), RangeError)
  })

  it('is not made of an edge that cannot be', () => {
    const leaf = log.leaves[0] ?? assert.fail()
    for (const [size, edge] of [
      [3, [leaf]],
      [0, [leaf]],
      [1, []],
      [-1, [leaf]],
      [1.5, [leaf]],
      [1, [leaf.subarray(1)]],
    ] as const)
      assert.throws(() => new CompactRange(size, edge), RangeError)
  })
})

describe('proofs', () => {
  it('of every entry and every size up to 100 verify, and fail with any hash changed', async () => {
    for (let size = 1; size <= 100; size++) {
      const head = log.headAt(size)
      const tree = new TileHashes(new MemoryLog(log.entries.slice(0, size)), size)
      for (let index = 0; index < size; index++) {
        const proof = await proveInclusion(tree, index, size)
        const leaf = log.leaves[index] ?? assert.fail()
        assert.ok(verifyInclusion({ leaf, index, head, proof }), `${index} of ${size}`)
        for (const at of proof.keys())
          assert.ok(!verifyInclusion({ leaf, index, head, proof: proof.with(at, flipped(proof[at] ?? assert.fail(), 0)) }))
      }
      for (let oldSize = 1; oldSize <= size; oldSize++) {
        const proof = await proveConsistency(tree, oldSize, size)
        const old = log.headAt(oldSize)
        assert.ok(verifyConsistency({ old, head, proof }), `${oldSize} to ${size}`)
        for (const at of proof.keys())
          assert.ok(!verifyConsistency({ old, head, proof: proof.with(at, flipped(proof[at] ?? assert.fail(), 0)) }))
      }
    }
  })

  it('of inclusion fail with any bit changed, anywhere', async () => {
    const claims = fc.record({ size: fc.integer({ min: 1, max: LEAVES }), at: fc.nat(), bit: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(claims, async ({ size, at, bit }) => {
        const index = at % size
        const head = log.headAt(size)
        const leaf = log.leaves[index] ?? assert.fail()
        const proof = await proveInclusion(hashes, index, size)
        assert.ok(verifyInclusion({ leaf, index, head, proof }))
        assert.ok(!verifyInclusion({ leaf: flipped(leaf, bit), index, head, proof }))
        assert.ok(!verifyInclusion({ leaf, index, head: { size, root: flipped(head.root, bit) }, proof }))
        assert.ok(!verifyInclusion({ leaf, index, head, proof: [...proof, leaf] }))
        if (proof.length === 0) return
        const hashAt = at % proof.length
        assert.ok(!verifyInclusion({ leaf, index, head, proof: proof.with(hashAt, flipped(proof[hashAt] ?? assert.fail(), bit)) }))
        assert.ok(!verifyInclusion({ leaf, index, head, proof: proof.slice(1) }))
        assert.ok(!verifyInclusion({ leaf, index: (index + 1) % size, head, proof }))
        assert.ok(!verifyInclusion({ leaf, index, head, proof: proof.with(hashAt, (proof[hashAt] ?? assert.fail()).subarray(1)) }))
      }),
      { numRuns: RUNS },
    )
  })

  it('of consistency fail with any bit changed, anywhere', async () => {
    const claims = fc.record({ size: fc.integer({ min: 2, max: LEAVES }), at: fc.nat(), bit: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(claims, async ({ size, at, bit }) => {
        const oldSize = 1 + (at % (size - 1))
        const [old, head] = [log.headAt(oldSize), log.headAt(size)]
        const proof = await proveConsistency(hashes, oldSize, size)
        assert.ok(verifyConsistency({ old, head, proof }))
        assert.ok(!verifyConsistency({ old: { ...old, root: flipped(old.root, bit) }, head, proof }))
        assert.ok(!verifyConsistency({ old, head: { ...head, root: flipped(head.root, bit) }, proof }))
        assert.ok(!verifyConsistency({ old, head, proof: proof.slice(1) }))
        assert.ok(!verifyConsistency({ old, head, proof: [...proof, head.root] }))
        assert.ok(!verifyConsistency({ old: head, head: old, proof }))
        const hashAt = at % proof.length
        assert.ok(!verifyConsistency({ old, head, proof: proof.with(hashAt, flipped(proof[hashAt] ?? assert.fail(), bit)) }))
      }),
      { numRuns: RUNS },
    )
  })

  it('are made and checked for trees beyond 32 bits', async () => {
    // A tree of equal leaves: the hash of a complete subtree depends on its height alone
    const levels = [leafHash(Buffer.alloc(0))]
    for (let level = 1; level < 53; level++) levels.push(nodeHash(levels[level - 1] ?? assert.fail(), levels[level - 1] ?? assert.fail()))
    const equal: HashReader = { hash: (level) => Promise.resolve(levels[level] ?? assert.fail()) }
    const leaf = levels[0] ?? assert.fail()
    const sizes = fc.tuple(fc.maxSafeNat(), fc.maxSafeNat(), fc.maxSafeNat()).filter(([a, b]) => a > 0 && b > 0)
    await fc.assert(
      fc.asyncProperty(sizes, async ([a, b, c]) => {
        const [oldSize, size] = [Math.min(a, b), Math.max(a, b)]
        const [old, head] = [
          { size: oldSize, root: await rootAt(equal, oldSize) },
          { size, root: await rootAt(equal, size) },
        ]
        assert.ok(equalHashes(head.root, new CompactRange(size, await edgeAt(equal, size)).root()))
        const index = c % size
        assert.ok(verifyInclusion({ leaf, index, head, proof: await proveInclusion(equal, index, size) }))
        assert.ok(verifyConsistency({ old, head, proof: await proveConsistency(equal, oldSize, size) }))
      }),
      { numRuns: RUNS },
    )
  })

  it('are not made for what is not there', async () => {
    for (const [index, size] of [
      [5, 5],
      [-1, 5],
      [0, 0],
      [0.5, 2],
    ] as const)
      await assert.rejects(proveInclusion(hashes, index, size), RangeError)
    for (const [oldSize, size] of [
      [6, 5],
      [-1, 5],
      [1, 2 ** 53],
    ] as const)
      await assert.rejects(proveConsistency(hashes, oldSize, size), RangeError)
    assert.deepEqual(await proveConsistency(hashes, 0, 5), [])
    assert.deepEqual(await proveConsistency(hashes, 5, 5), [])
  })
})

describe('hashes from tiles', () => {
  it('come from the full tile when the partial one is gone', async () => {
    const grown = new MemoryLog(log.entries.slice(0, 700))
    const tree = new TileHashes({ read: (path) => grown.read(path) }, 600)
    assert.ok(!grown.files.has(tilePath({ level: 0, index: 2, width: 88 })))
    await assert.rejects(tree.hash(0, 599), missing)
    grown.files.set('tile/0/002', log.files.get('tile/0/002') ?? assert.fail())
    const root = await rootAt(new TileHashes(grown, 512), 512)
    assert.ok(equalHashes(root, log.headAt(512).root))
    assert.ok(equalHashes(await new TileHashes(grown, 600).hash(0, 599), log.leaves[599] ?? assert.fail()))
  })

  it('are none when a tile has another length', async () => {
    const cut = new MemoryLog(log.entries.slice(0, 300))
    cut.files.set('tile/0/001.p/44', Buffer.alloc(43 * 32))
    await assert.rejects(new TileHashes(cut, 300).hash(0, 299), missing)
    await assert.rejects(new TileHashes(cut, 300).hash(0, 300), RangeError)
  })
})

describe('proofs in the largest tree that there can be', () => {
  /** Of no tree: what counts is how many hashes are asked for. */
  const any: HashReader = { hash: async () => Buffer.alloc(32) }

  it('have no more hashes than a witness has to take', async () => {
    const sizes = fc.tuple(fc.maxSafeNat(), fc.maxSafeNat())
    await fc.assert(
      fc.asyncProperty(sizes, async ([a, b]) => {
        const [old, size] = [Math.min(a, b), Math.max(a, b, 1)]
        assert.ok((await proveConsistency(any, old, size)).length <= 63)
        assert.ok((await proveInclusion(any, Math.min(old, size - 1), size)).length <= 63)
      }),
      { numRuns: RUNS, examples: [[[Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1]], [[1, Number.MAX_SAFE_INTEGER]]] },
    )
  })
})

const missing = (error: unknown): boolean => error instanceof AuditLogError && error.code === 'AUDIT_LOG_MISSING'
