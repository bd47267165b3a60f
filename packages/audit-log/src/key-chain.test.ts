// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryLog, newSigner, ORIGIN, sourceEntries } from './_memory-log.ts'
import { AuditLogError } from './audit-log-error.ts'
import { followKeys, formatKeys, parseKeys } from './key-chain.ts'
import { formatRotation, parseRotation, type RotatedEpoch } from './key-epochs.ts'
import type { NoteSigner } from './note/keys.ts'
import { formatNote } from './note/note.ts'
import { formatVerifierKey } from './note/verifier-key.ts'

const signers = [newSigner(), newSigner(), newSigner()] as [NoteSigner, NoteSigner, NoteSigner]
const SIZES = [5, 9]

function epochs(): RotatedEpoch[] {
  return signers.map(({ key }, index) => {
    const [before, after] = [signers[index - 1], SIZES[index]]
    const firstSize = SIZES[index - 1] ?? 0
    const text = before === undefined ? '' : formatRotation({ origin: ORIGIN, size: firstSize, oldKey: before.key, newKey: key })
    return {
      key,
      firstSize,
      lastSize: after ?? null,
      seal: after === undefined ? null : Buffer.from(new MemoryLog(sourceEntries('run/1', after)).checkpoint(signers[index] as NoteSigner)),
      rotation:
        before === undefined
          ? null
          : Buffer.from(formatNote({ text, signatures: [before.sign(text), (signers[index] as NoteSigner).sign(text)] })),
    }
  })
}

const bytes = (): Uint8Array => formatKeys(epochs()) ?? assert.fail()

function malformed(text: string): void {
  assert.throws(
    () => parseKeys(Buffer.from(text)),
    (error) => error instanceof AuditLogError && error.code === 'AUDIT_LOG_MALFORMED',
    text.slice(0, 100),
  )
}

describe('the published list of keys', () => {
  it('says the epochs again, and is not there before a key was changed', () => {
    assert.deepEqual(parseKeys(bytes()), epochs())
    assert.equal(formatKeys(epochs().slice(0, 1)), null)
  })

  it('is refused where it is another document', () => {
    const list = JSON.parse(Buffer.from(bytes()).toString()) as { v: 1; rotations: { rotation: string; seal: string }[] }
    const [step] = list.rotations
    for (const value of [
      null,
      1,
      [],
      {},
      { v: 1 },
      { v: 2, rotations: list.rotations },
      { v: 1, rotations: [] },
      { v: 1, rotations: [null] },
    ])
      malformed(JSON.stringify(value))
    for (const rotation of [
      '',
      'x',
      step?.seal ?? '',
      (step?.rotation ?? '').replace('v1', 'v2'),
      (step?.rotation ?? '').replace('\n5\n', '\n05\n'),
    ])
      malformed(JSON.stringify({ v: 1, rotations: [{ ...step, rotation }] }))
    malformed('{')
    malformed('\ufffd\u0000')
  })

  it('leads from each key to all others, and from no other', () => {
    for (const { key } of signers)
      assert.deepEqual([followKeys([key], [parseKeys(bytes())]).epochs.length, followKeys([key], [parseKeys(bytes())]).problem], [3, null])
    const stranger = newSigner().key
    assert.deepEqual(followKeys([stranger], [parseKeys(bytes())]), {
      epochs: [{ key: stranger, firstSize: 0, lastSize: null, seal: null }],
      problem: null,
    })
    assert.equal(followKeys([stranger, signers[1].key], [[], parseKeys(bytes())]).epochs.length, 3)
  })

  it('says why it does not lead on, and then only the trusted key signs', () => {
    const [first, second, third] = epochs() as [RotatedEpoch, RotatedEpoch, RotatedEpoch]
    const broken = [first, second, { ...third, rotation: second.rotation }]
    const { epochs: followed, problem } = followKeys([signers[0].key], [broken])
    assert.deepEqual([followed.length, followed[0]?.lastSize], [1, null])
    assert.match(problem ?? '', /says something else/)
    assert.equal(followKeys([signers[0].key], [broken, epochs()]).problem, null)
  })
})

describe('a rotation', () => {
  it('is read as it is written, and in no other spelling', () => {
    const rotation = { origin: ORIGIN, size: 7, oldKey: signers[0].key, newKey: signers[1].key }
    const text = formatRotation(rotation)
    assert.deepEqual([parseRotation(text).size, formatVerifierKey(parseRotation(text).newKey)], [7, formatVerifierKey(signers[1].key)])
    for (const other of [
      `${text}\n`,
      text.slice(0, -1),
      text.replace('\n7\n', '\n+7\n'),
      text.replace('\n7\n', '\n9007199254740992\n'),
      `x${text}`,
    ])
      assert.throws(() => parseRotation(other), AuditLogError)
  })
})
