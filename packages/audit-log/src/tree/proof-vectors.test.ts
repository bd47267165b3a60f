// SPDX-License-Identifier: Apache-2.0
// Cases from transparency-dev/merkle (testdata): 482 of the 518 have to fail.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { outsideVectors, readJsonFiles } from '../_outside-vectors.ts'
import { verifyConsistency, verifyInclusion, verifySubtreeConsistency, verifySubtreeInclusion } from './verify-proof.ts'

interface Case {
  readonly leafIdx: number
  readonly leafHash: string
  readonly treeSize: number
  readonly start: number
  readonly end: number
  readonly size: number
  readonly size1: number
  readonly size2: number
  readonly root: string
  readonly root1: string
  readonly root2: string
  readonly proof: readonly string[] | null
  readonly wantErr: boolean
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'base64')
const proofOf = ({ proof }: Case): Uint8Array[] => (proof ?? []).map(bytes)

const kinds: Readonly<Record<string, { readonly count: number; readonly check: (vector: Case) => boolean }>> = {
  inclusion: {
    count: 98,
    check: (vector) =>
      verifyInclusion({
        leaf: bytes(vector.leafHash),
        index: vector.leafIdx,
        head: { size: vector.treeSize, root: bytes(vector.root) },
        proof: proofOf(vector),
      }),
  },
  consistency: {
    count: 98,
    check: (vector) =>
      verifyConsistency({
        old: { size: vector.size1, root: bytes(vector.root1) },
        head: { size: vector.size2, root: bytes(vector.root2) },
        proof: proofOf(vector),
      }),
  },
  subtreeinclusion: {
    count: 204,
    check: (vector) =>
      verifySubtreeInclusion({
        leaf: bytes(vector.leafHash),
        index: vector.leafIdx,
        subtree: { start: vector.start, end: vector.end, root: bytes(vector.root) },
        proof: proofOf(vector),
      }),
  },
  subtreeconsistency: {
    count: 118,
    check: (vector) =>
      verifySubtreeConsistency({
        subtree: { start: vector.start, end: vector.end, root: bytes(vector.root1) },
        head: { size: vector.size, root: bytes(vector.root2) },
        proof: proofOf(vector),
      }),
  },
}

const { folder, skip } = outsideVectors('merkle')

describe('the cases of transparency-dev/merkle', { skip }, () => {
  for (const [kind, { count, check }] of Object.entries(kinds)) {
    it(`of ${kind} come out as they say`, () => {
      const cases = readJsonFiles(join(folder, kind)) as [string, Case][]
      const different = cases.filter(([, vector]) => check(vector) === vector.wantErr).map(([path]) => path)
      assert.deepEqual(different, [])
      assert.equal(cases.length, count)
    })
  }
})
