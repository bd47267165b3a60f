// SPDX-License-Identifier: Apache-2.0
// Proofs of a log that is none of ours and of no relative of it: Certificate Transparency, by way of the tests of golang.org/x/mod.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { leafHash } from './hash.ts'
import { verifyConsistency, verifyInclusion } from './verify-proof.ts'

interface Answers {
  readonly size: number
  readonly root: string
  readonly index: number
  readonly leaf: string
  readonly inclusion: readonly string[]
  readonly oldSize: number
  readonly oldRoot: string
  readonly consistency: readonly string[]
}

const answers = JSON.parse(readFileSync(new URL('../../vectors/ct-argon2020.json', import.meta.url), 'utf8')) as Answers
const bytes = (text: string): Buffer => Buffer.from(text, 'base64')
const head = { size: answers.size, root: bytes(answers.root) }

/** Each of the hashes once with a bit of it changed. */
function* mutations(proof: readonly Buffer[]): Generator<Buffer[]> {
  for (const at of proof.keys())
    yield proof.map((hash, index) => (index === at ? Buffer.from(hash.map((byte, offset) => (offset === 0 ? byte ^ 1 : byte))) : hash))
}

describe('the answers of a log of certificates', () => {
  it('prove that an entry is in it, and with any hash another do not', () => {
    const claim = { leaf: leafHash(bytes(answers.leaf)), index: answers.index, head }
    const proof = answers.inclusion.map(bytes)
    assert.ok(verifyInclusion({ ...claim, proof }))
    for (const changed of mutations(proof)) assert.ok(!verifyInclusion({ ...claim, proof: changed }))
    assert.ok(!verifyInclusion({ ...claim, index: answers.index + 1, proof }))
  })

  it('prove that it has grown, and with any hash another do not', () => {
    const old = { size: answers.oldSize, root: bytes(answers.oldRoot) }
    const proof = answers.consistency.map(bytes)
    assert.ok(verifyConsistency({ old, head, proof }))
    for (const changed of mutations(proof)) assert.ok(!verifyConsistency({ old, head, proof: changed }))
  })
})
