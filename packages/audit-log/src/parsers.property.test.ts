// SPDX-License-Identifier: Apache-2.0
// Every parser, over documents that are nearly right: what it takes is printed as it was, all else is refused by code.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { MemoryLog, newSigner, newWitnesses, sourceEntries } from './_memory-log.ts'
import { formatAddCheckpoint, parseAddCheckpoint } from './add-checkpoint.ts'
import { AuditLogError } from './audit-log-error.ts'
import { formatCheckpoint, parseCheckpoint } from './checkpoint.ts'
import { formatNote, formatSignatureLines, parseNote, parseSignatureLines } from './note/note.ts'
import { formatVerifierKey, parseVerifierKey } from './note/verifier-key.ts'
import { parsePolicy } from './policy/parse-policy.ts'
import { encodeUtf8 } from './text.ts'
import { formatProof, parseProof } from './tlog-proof.ts'

const SLOW = process.env['SLOW'] === '1'
const LIMITS = { numRuns: SLOW ? 200_000 : 4000, interruptAfterTimeLimit: SLOW ? 120_000 : 6000 }

const [signer, witnesses] = [newSigner(), newWitnesses(2)]
const tree = new MemoryLog(sourceEntries('run/1', 5))
const checkpoint = tree.checkpoint(signer, witnesses)
const hashes = tree.leaves.slice(0, 3)
const vkey = formatVerifierKey(signer.key)
const policyText = `log ${vkey} https://log.example.test\n${witnesses.map(({ key }, at) => `witness w${at} ${formatVerifierKey(key)}\n`).join('')}group g 1 w0 w1\nquorum g\n`

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

interface Parser {
  readonly sample: Uint8Array
  /** What is printed again; null where there is no printer. */
  readonly roundTrip: (bytes: Uint8Array) => Uint8Array | null
}

const parsers: Readonly<Record<string, Parser>> = {
  'a note': { sample: checkpoint, roundTrip: (bytes) => formatNote(parseNote(bytes)) },
  'signature lines': {
    sample: Buffer.from(formatSignatureLines(parseNote(checkpoint).signatures)),
    roundTrip: (bytes) => encodeUtf8(formatSignatureLines(parseSignatureLines(utf8(bytes)))),
  },
  'a verifier key': { sample: Buffer.from(vkey), roundTrip: (bytes) => encodeUtf8(formatVerifierKey(parseVerifierKey(utf8(bytes)))) },
  'a checkpoint': {
    sample: Buffer.from(parseNote(checkpoint).text),
    roundTrip: (bytes) => encodeUtf8(formatCheckpoint(parseCheckpoint(utf8(bytes)))),
  },
  'a request to add a checkpoint': {
    sample: formatAddCheckpoint({ oldSize: 3, proof: hashes, checkpoint }),
    roundTrip: (bytes) => formatAddCheckpoint(parseAddCheckpoint(bytes)),
  },
  'a proof': {
    sample: formatProof({ extra: Buffer.from('extra'), index: 2, proof: hashes, checkpoint }),
    roundTrip: (bytes) => formatProof(parseProof(bytes)),
  },
  'a policy': {
    sample: Buffer.from(policyText),
    roundTrip: (bytes) => {
      parsePolicy(bytes)
      return null
    },
  },
}

const PIECES = [
  '\n',
  '\n\n',
  ' ',
  '\t',
  '+',
  '=',
  '—',
  '— ',
  '\0',
  '\r',
  '\u00a0',
  '0',
  '1',
  '-',
  '99999999999999999999',
  'old ',
  'index ',
  'extra ',
  '\xff',
  '\u0085',
]

/** Pieces of the sample cut out, doubled, exchanged, and foreign ones put in. */
function nearly(sample: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.nat(sample.length)
  const edit = fc.oneof(
    fc.record({ from: at, to: at, piece: fc.constantFrom(...PIECES).map((piece) => Buffer.from(piece)) }),
    fc.record({ from: at, to: at, piece: fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)) }),
    fc.tuple(at, at, at).map(([from, start, end]) => ({ from, to: from, piece: Buffer.from(sample.subarray(start, end)) })),
    at.map((from) => ({ from, to: from + 1, piece: Buffer.alloc(0) })),
  )
  return fc.array(edit, { minLength: 1, maxLength: 3 }).map((edits) =>
    edits.reduce<Uint8Array>((bytes, { from, to, piece }) => {
      const end = Math.max(from, Math.min(to, from + 20))
      return Buffer.concat([bytes.subarray(0, from), piece, bytes.subarray(end)])
    }, sample),
  )
}

for (const [name, { sample, roundTrip }] of Object.entries(parsers)) {
  describe(name, () => {
    it('is printed as it was read', () => {
      assert.equal(text(roundTrip(sample) ?? sample), text(sample))
    })

    it('that is nearly one is read as it stands, or refused', () => {
      fc.assert(
        fc.property(fc.oneof(nearly(sample), fc.uint8Array({ maxLength: 200 })), (bytes) => {
          try {
            const printed = roundTrip(bytes)
            // Two of them take a string: what is no UTF-8 was something else before
            if (printed !== null && utf8(bytes).isWellFormed() && !utf8(bytes).includes('\ufffd')) assert.equal(text(printed), text(bytes))
          } catch (error) {
            assert.ok(error instanceof AuditLogError && error.code === 'AUDIT_LOG_MALFORMED', String(error))
          }
        }),
        LIMITS,
      )
    })
  })
}
