// SPDX-License-Identifier: Apache-2.0
// Checkpoints, requests to witnesses, proofs: the examples of C2SP tlog-checkpoint, tlog-witness and tlog-proof, and what is none.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryLog, newSigner, newWitnesses, policyOf, sourceEntries } from './_memory-log.ts'
import { formatAddCheckpoint, parseAddCheckpoint } from './add-checkpoint.ts'
import { AuditLogError } from './audit-log-error.ts'
import { formatCheckpoint, parseCheckpoint } from './checkpoint.ts'
import { parseNote } from './note/note.ts'
import { formatProof, parseProof, verifyProof } from './tlog-proof.ts'
import { proveInclusion } from './tree/prove.ts'
import { TileHashes } from './tree/tile-hashes.ts'

const CHECKPOINT_TEXT = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'
const CHECKPOINT = `${CHECKPOINT_TEXT}
— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
`
const HASH = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I='

function isMalformed(error: unknown): boolean {
  return error instanceof AuditLogError && error.code === 'AUDIT_LOG_MALFORMED'
}

describe('a checkpoint', () => {
  it('is read as the specification shows it', () => {
    const checkpoint = parseCheckpoint(parseNote(Buffer.from(CHECKPOINT)).text)
    assert.deepEqual(checkpoint, {
      origin: 'example.com/behind-the-sofa',
      size: 20_852_163,
      root: Buffer.from(HASH, 'base64'),
      extensions: [],
    })
    assert.equal(formatCheckpoint(checkpoint), CHECKPOINT_TEXT)
  })

  it('may have lines that nobody reads, and any origin', () => {
    for (const text of [`${CHECKPOINT_TEXT}more\nand more\n`, `an origin+with é\n0\n${HASH}\n`, `o\n9007199254740991\n${HASH}\n`])
      assert.equal(formatCheckpoint(parseCheckpoint(text)), text)
  })

  it('that is none is refused', () => {
    // Those of x/mod's tests for its own trees are among them: a size in hex, a root that is too long
    for (const text of [
      ...['', '\n', 'o\n', 'o\n1\n', `o\n1\n${HASH}`, `\n1\n${HASH}\n`, `o\n\n${HASH}\n`, 'o\n1\n\n', `o\n01\n${HASH}\n`],
      ...[`o\n-1\n${HASH}\n`, `o\n+1\n${HASH}\n`, `o\n0xabcdef\n${HASH}\n`, `o\n1.0\n${HASH}\n`, `o\n1e3\n${HASH}\n`, `o\n 1\n${HASH}\n`],
      ...[`o\n9007199254740992\n${HASH}\n`, `o\n18446744073709551616\n${HASH}\n`, `o\n١\n${HASH}\n`],
      ...['o\n1\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBTOOBIG=\n', `o\n1\n${HASH.slice(0, -1)}\n`, `o\n1\n${HASH} \n`],
      ...[`o\n1\n${HASH.replace('I=', 'J=')}\n`, `o\n1\n${HASH}\n\n`, `o\n1\n${HASH}\n\nx\n`, `o\n1\n${HASH}\nx\r\n`, `o\r\n1\n${HASH}\n`],
    ])
      assert.throws(() => parseCheckpoint(text), isMalformed, JSON.stringify(text))
  })

  it('is not printed when it could not be read', () => {
    const sound = { origin: 'o', size: 1, root: Buffer.alloc(32), extensions: [] }
    for (const wrong of [
      { origin: '' },
      { origin: 'a\nb' },
      { size: -1 },
      { size: 1.5 },
      { size: 2 ** 53 },
      { root: Buffer.alloc(31) },
      { extensions: [''] },
      { extensions: ['a\nb'] },
      { extensions: ['a\tb'] },
    ])
      assert.throws(() => formatCheckpoint({ ...sound, ...wrong }), isMalformed, JSON.stringify(wrong))
  })
})

describe('a request to add a checkpoint', () => {
  const example = `old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

${CHECKPOINT}— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
`

  it('is read as the specification shows it', () => {
    const request = parseAddCheckpoint(Buffer.from(example))
    assert.deepEqual([request.oldSize, request.proof.length, request.note.signatures.length], [20_852_014, 4, 2])
    assert.equal(parseCheckpoint(request.note.text).size, 20_852_163)
    assert.equal(Buffer.from(formatAddCheckpoint(request)).toString(), example)
  })

  it('may have no proof', () => {
    const text = `old 0\n\n${CHECKPOINT}`
    assert.equal(Buffer.from(formatAddCheckpoint(parseAddCheckpoint(Buffer.from(text)))).toString(), text)
  })

  it('may have 63 hashes, and no more', () => {
    const request = (count: number): Buffer => Buffer.from(`old 1\n${`${HASH}\n`.repeat(count)}\n${CHECKPOINT}`)
    assert.equal(parseAddCheckpoint(request(63)).proof.length, 63)
    assert.throws(() => parseAddCheckpoint(request(64)), isMalformed)
    assert.throws(() => parseAddCheckpoint(request(100_000)), isMalformed)
  })

  it('that is none is refused', () => {
    for (const text of [
      ...['', '\n', '\n\n', 'old 1\n', 'old 1\n\n', `old 01\n\n${CHECKPOINT}`, `old -1\n\n${CHECKPOINT}`, `old\n\n${CHECKPOINT}`],
      ...[`old  1\n\n${CHECKPOINT}`, `old 1 \n\n${CHECKPOINT}`, `Old 1\n\n${CHECKPOINT}`, `old 1\n${HASH.slice(1)}\n\n${CHECKPOINT}`],
      ...[
        `old 1\n\n\n${CHECKPOINT_TEXT}`,
        `${HASH}\n\n${CHECKPOINT}`,
        `\n\nold 1\n\n${CHECKPOINT}`,
        `old 1\r\n\n${CHECKPOINT}`,
        CHECKPOINT,
      ],
    ])
      assert.throws(() => parseAddCheckpoint(Buffer.from(text)), isMalformed, JSON.stringify(text))
  })
})

describe('a proof', () => {
  const HEAD = 'c2sp.org/tlog-proof@v1\n'
  // The specification's example with what it leaves out: its signatures are shortened, its extra data is no base64
  const example = `${HEAD}extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

${CHECKPOINT}`

  it('is read as the specification shows it', () => {
    const proof = parseProof(Buffer.from(example))
    assert.deepEqual(
      [proof.index, proof.proof.length, Buffer.from(proof.extra ?? []).toString()],
      [73_894, 5, 'age-v1.2.1-darwin-arm64.tar.gz'],
    )
    assert.equal(Buffer.from(formatProof(proof)).toString(), example)
  })

  it('may have neither extra data nor hashes', () => {
    const text = `${HEAD}index 0\n\n${CHECKPOINT}`
    assert.equal(parseProof(Buffer.from(text)).extra, null)
    assert.equal(Buffer.from(formatProof(parseProof(Buffer.from(text)))).toString(), text)
    const empty = `${HEAD}extra \nindex 0\n\n${CHECKPOINT}`
    assert.equal(Buffer.from(formatProof(parseProof(Buffer.from(empty)))).toString(), empty)
  })

  it('that is none is refused', () => {
    for (const text of [
      ...['', HEAD, `${HEAD}\n${CHECKPOINT}`, `${HEAD}index 0\n${CHECKPOINT}`, `${HEAD}index 00\n\n${CHECKPOINT}`],
      ...[
        `${HEAD}extra !\nindex 0\n\n${CHECKPOINT}`,
        `${HEAD}extra YQ\nindex 0\n\n${CHECKPOINT}`,
        `${HEAD}index 0\nextra YQ==\n\n${CHECKPOINT}`,
      ],
      ...[`${HEAD}extra YQ==\nextra YQ==\nindex 0\n\n${CHECKPOINT}`, `c2sp.org/tlog-proof@v2\nindex 0\n\n${CHECKPOINT}`],
      ...[
        `${HEAD}index 0\n${`${HASH}\n`.repeat(64)}\n${CHECKPOINT}`,
        `${HEAD}index -1\n\n${CHECKPOINT}`,
        `${HEAD}index 0\nAAAA\n\n${CHECKPOINT}`,
      ],
      `${HEAD}index 0\n\n${CHECKPOINT_TEXT}`,
    ])
      assert.throws(() => parseProof(Buffer.from(text)), isMalformed, JSON.stringify(text.slice(0, 200)))
  })

  it('proves that an entry is in the log, under a quorum', async () => {
    const [signer, witnesses] = [newSigner(), newWitnesses(3)]
    const log = new MemoryLog(sourceEntries('run/1', 300))
    const [entry, other] = [log.leaves[77] ?? assert.fail(), log.leaves[78] ?? assert.fail()]
    const proof = await proveInclusion(new TileHashes(log, 300), 77, 300)
    const proofWith = (count: number): Uint8Array =>
      formatProof({ extra: null, index: 77, proof, checkpoint: log.checkpoint(signer, witnesses.slice(0, count)) })
    const policy = policyOf(signer, witnesses, 2)
    const decision = verifyProof(proofWith(2), entry, policy)
    assert.ok(decision.isProven)
    assert.deepEqual([decision.checkpoint.size, decision.policy.witnesses.map(({ name }) => name)], [300, ['w1', 'w2']])
    assert.equal(verifyProof(proofWith(1), entry, policy).isProven, false)
    assert.equal(verifyProof(proofWith(2), other, policy).isProven, false)
    assert.equal(verifyProof(proofWith(2), entry, policyOf(newSigner(), witnesses, 2)).isProven, false)
  })
})
