// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { newSigner, ORIGIN } from './_memory-log.ts'
import { AuditLogError } from './audit-log-error.ts'
import { formatRotation, type RotatedEpoch, trustedEpochs } from './key-epochs.ts'
import type { NoteSigner } from './note/keys.ts'
import { formatNote } from './note/note.ts'

const [a, b, c] = [newSigner(), newSigner(), newSigner()]

function rotation(
  oldSigner: NoteSigner,
  newSigner: NoteSigner,
  size: number,
  signers = [oldSigner, newSigner],
  origin = ORIGIN,
): Uint8Array {
  const text = formatRotation({ origin, size, oldKey: oldSigner.key, newKey: newSigner.key })
  return formatNote({ text, signatures: signers.map((signer) => signer.sign(text)) })
}

const seal = Buffer.from('a seal')
const first: RotatedEpoch = { key: a.key, firstSize: 0, lastSize: 100, seal, rotation: null }
const second: RotatedEpoch = { key: b.key, firstSize: 100, lastSize: 250, seal, rotation: rotation(a, b, 100) }
const third: RotatedEpoch = { key: c.key, firstSize: 250, lastSize: null, seal: null, rotation: rotation(b, c, 250) }

function refused(epochs: readonly RotatedEpoch[], trusted = a): void {
  assert.throws(
    () => trustedEpochs(ORIGIN, trusted.key, epochs),
    (error) => error instanceof AuditLogError,
  )
}

describe('the keys of a log', () => {
  it('are trusted from any one of them on, when both keys of each step have signed it', () => {
    for (const trusted of [a, b, c])
      assert.deepEqual(
        trustedEpochs(ORIGIN, trusted.key, [first, second, third]).map(({ key, firstSize, lastSize }) => [key, firstSize, lastSize]),
        [
          [a.key, 0, 100],
          [b.key, 100, 250],
          [c.key, 250, null],
        ],
      )
    assert.equal(trustedEpochs(ORIGIN, a.key, [{ ...first, lastSize: null, seal: null }]).length, 1)
  })

  it('are not trusted without a step, or with one that says something else', () => {
    refused([first, second, third], newSigner())
    refused([])
    refused([first])
    refused([second, third], b)
    refused([first, third])
    refused([first, second, { ...third, rotation: null }])
    refused([first, second, { ...third, rotation: rotation(b, c, 251) }])
    refused([first, second, { ...third, firstSize: 251, rotation: rotation(b, c, 251) }])
    refused([first, second, { ...third, rotation: rotation(b, c, 250, [c]) }])
    refused([first, second, { ...third, rotation: rotation(b, c, 250, [b]) }])
    refused([first, second, { ...third, rotation: rotation(b, c, 250, [b, c], 'other.example.test') }])
    refused([first, second, { ...third, rotation: Buffer.from('nothing') }])
    refused([{ ...first, firstSize: 1 }, second, third])
    refused([{ ...first, rotation: rotation(c, a, 0) }, second, third])
    refused([first, second, { ...third, lastSize: 300 }])
    // Whoever has today's key alone cannot put it in the place of an earlier one
    refused([{ ...third, firstSize: 0, rotation: null }])
    refused([
      { ...first, lastSize: 50 },
      { ...third, firstSize: 50, rotation: rotation(a, c, 50, [c]) },
    ])
  })
})
