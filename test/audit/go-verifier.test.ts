// SPDX-License-Identifier: Apache-2.0
// Logs, notes and proofs of ours before a judge that has none of our code: golang.org/x/mod/sumdb.
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  type Cosigner,
  cosignatureSigner,
  formatNote,
  formatProof,
  formatVerifierKey,
  type NoteSignature,
  type NoteSigner,
  parseNote,
  parseProof,
  proveEntry,
} from '@sallyport/audit-log'
import { MemoryLog, NOW_S, newSigner, newWitnesses, ORIGIN, sourceEntries } from '../../packages/audit-log/src/_memory-log.ts'
import { outsideVectors } from '../../packages/audit-log/src/_outside-vectors.ts'
import { buildVerifier, runVerifier, type VerifierResult } from './_go-verifier.ts'

const program = buildVerifier()
const scratch = mkdtempSync(join(tmpdir(), 'sallyport-audit-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

const signer = newSigner()
const witnesses = newWitnesses(2)
const keys = ['-vkey', formatVerifierKey(signer.key), ...witnesses.flatMap(({ key }) => ['-witness', formatVerifierKey(key)])]

function newLog(size: number): MemoryLog {
  return new MemoryLog(sourceEntries('run/1', size)).publish(signer, witnesses)
}

function writeLog(log: MemoryLog): string {
  const directory = mkdtempSync(join(scratch, 'log-'))
  for (const [path, bytes] of log.files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), bytes)
  }
  return directory
}

async function writeProof(log: MemoryLog, index: number, entry: Uint8Array): Promise<string> {
  const {
    index: at,
    proof,
    checkpoint,
  } = parseProof(await proveEntry({ source: log, checkpoint: log.checkpoint(signer, witnesses), index }))
  const file = join(mkdtempSync(join(scratch, 'proof-')), 'entry.tlog-proof')
  writeFileSync(file, formatProof({ extra: entry, index: at, proof, checkpoint }))
  return file
}

function assertAccepted({ code, output }: VerifierResult): void {
  assert.equal(code, 0, output)
}

function assertRefused({ code, output }: VerifierResult, reason: RegExp): void {
  assert.equal(code, 1, output)
  assert.match(output, reason)
}

function signWith(key: NoteSigner | Cosigner, text: string): NoteSignature {
  return 'sign' in key ? key.sign(text) : key.cosign(text, NOW_S)
}

describe('the Go verifier', () => {
  for (const size of [0, 1, 2, 255, 256, 257, 1000, 65_536, 66_000]) {
    it(`accepts a log of ours with ${size} entries`, () => {
      const result = runVerifier(program, [...keys, '-log', writeLog(newLog(size))])
      assertAccepted(result)
      assert.match(result.output, new RegExp(`^ok: ${size} entries`))
    })
  }

  it('accepts proofs of ours', async () => {
    for (const size of [1, 2, 300, 700]) {
      const log = newLog(size)
      for (const index of [0, Math.floor(size / 2), size - 1]) {
        const entry = log.entries[index] ?? assert.fail()
        assertAccepted(runVerifier(program, [...keys, '-proof', await writeProof(log, index, entry)]))
      }
    }
  })

  it('accepts the log of somebody else', { skip: outsideVectors('tessera-log').skip }, () => {
    const key = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'
    assertAccepted(runVerifier(program, ['-vkey', key, '-log', outsideVectors('tessera-log').folder]))
  })
})

describe('the Go verifier refuses', () => {
  const size = 700
  const changed = (path: string, change: (bytes: Buffer) => void): VerifierResult => {
    const directory = writeLog(newLog(size))
    const bytes = readFileSync(join(directory, path))
    change(bytes)
    writeFileSync(join(directory, path), bytes)
    return runVerifier(program, [...keys, '-log', directory])
  }
  const flip = (at: number) => (bytes: Buffer) => {
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  }

  it('an entry that was changed while its tile was kept', () => {
    assertRefused(changed('tile/entries/001', flip(40)), /entry 256 is not the one whose hash stands in tile/)
  })

  it('a tile that was changed', () => {
    assertRefused(changed('tile/0/001', flip(0)), /entry 256 is not/)
    assertRefused(changed('tile/0/002.p/188', flip(187 * 32)), /entry 699 is not/)
    assertRefused(changed('tile/1/000.p/2', flip(0)), /hash 0 is not that of the tile below/)
  })

  it('a log that was written anew and bears the old checkpoint', () => {
    const log = new MemoryLog(sourceEntries('run/2', size))
    log.files.set('checkpoint', newLog(size).checkpoint(signer, witnesses))
    assertRefused(runVerifier(program, [...keys, '-log', writeLog(log)]), /do not come to the signed root/)
  })

  it('a checkpoint that was changed', () => {
    assertRefused(
      changed('checkpoint', (bytes) => bytes.write('9', bytes.indexOf('700'))),
      /invalid signature/,
    )
  })

  it('a checkpoint that a witness has not cosigned', () => {
    const directory = writeLog(new MemoryLog(sourceEntries('run/1', 3)).publish(signer, witnesses.slice(1)))
    assertRefused(runVerifier(program, [...keys, '-log', directory]), /w1\.example\.test has not signed it/)
  })

  it('a checkpoint under another key', () => {
    const directory = writeLog(newLog(3))
    const other = formatVerifierKey(newSigner().key)
    assertRefused(runVerifier(program, ['-vkey', other, '-log', directory]), /no verifiable signatures/)
  })

  it('documents in another spelling than the specifications give them', async () => {
    const log = newLog(size)
    const file = await writeProof(log, 5, log.entries[5] ?? assert.fail())
    const proof = readFileSync(file, 'utf8')
    for (const index of ['05', '+5', '-5', '5 ', '0x5']) {
      writeFileSync(file, proof.replace('\nindex 5\n', `\nindex ${index}\n`))
      assertRefused(runVerifier(program, [...keys, '-proof', file]), /proof: /)
    }
    const root = Buffer.from(log.head.root).toString('base64')
    for (const text of [`${ORIGIN}\n0700\n${root}\n`, `${ORIGIN}\n700\n${root}\n\nmore\n`]) {
      log.files.set('checkpoint', formatNote({ text, signatures: [signer, ...witnesses].map((key) => signWith(key, text)) }))
      assertRefused(runVerifier(program, [...keys, '-log', writeLog(log)]), /checkpoint: it/)
    }
  })

  it('a cosignature of a time that no cosignature may have', () => {
    const log = newLog(3)
    const note = parseNote(log.checkpoint(signer))
    const name = 'w.example.test'
    const { privateKey } = generateKeyPairSync('ed25519')
    const cosigned = (timestamp: bigint): Uint8Array => {
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64BE(timestamp)
      const signature = Buffer.concat([bytes, sign(null, Buffer.from(`cosignature/v1\ntime ${timestamp}\n${note.text}`), privateKey)])
      const { keyId } = cosignatureSigner(name, privateKey).key
      return formatNote({ ...note, signatures: [...note.signatures, { name, keyId, signature }] })
    }
    const witness = formatVerifierKey(cosignatureSigner(name, privateKey).key)
    const run = (timestamp: bigint): VerifierResult => {
      log.files.set('checkpoint', cosigned(timestamp))
      return runVerifier(program, ['-vkey', formatVerifierKey(signer.key), '-witness', witness, '-log', writeLog(log)])
    }
    assertAccepted(run(2n ** 63n - 1n))
    assertRefused(run(2n ** 63n), /invalid signature/)
  })

  it('a proof for another entry', async () => {
    const log = newLog(size)
    const file = await writeProof(log, 5, log.entries[6] ?? assert.fail())
    assertRefused(runVerifier(program, [...keys, '-proof', file]), /the log does not have this entry/)
  })
})
