// SPDX-License-Identifier: Apache-2.0
// The examples of C2SP signed-note, tlog-checkpoint and tlog-cosignature, and the cases of golang.org/x/mod/sumdb/note (v0.17.0).
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, it } from 'node:test'
import { AuditLogError, type AuditLogErrorCode } from '../audit-log-error.ts'
import { cosignatureSigner, cosignatureVerifier, ed25519Signer, ed25519Verifier, noteVerifier } from './keys.ts'
import { formatNote, formatSignatureLines, NOTE_BYTES_MAX, type Note, parseNote, parseSignatureLines } from './note.ts'
import { openNote, verifiedSignatures } from './open-note.ts'
import { formatVerifierKey, parseVerifierKey, verifierKeyOf } from './verifier-key.ts'

const PETER_KEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const PETER_SEED = 'AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz'
const ENOCH_KEY = 'EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop'
const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
const PETER_LINE = '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'
const ENOCH_LINE = '— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n'

const peter = ed25519Verifier(parseVerifierKey(PETER_KEY))
const enoch = ed25519Verifier(parseVerifierKey(ENOCH_KEY))

const parse = (text: string): Note => parseNote(Buffer.from(text))
const namesOf = (text: string, ...verifiers: Parameters<typeof openNote>[1]): string[] =>
  openNote(parse(text), verifiers).map(({ key }) => key.name)

function throwsCode(code: AuditLogErrorCode, work: () => unknown, message?: string): void {
  assert.throws(work, (error) => error instanceof AuditLogError && error.code === code, message)
}

/** A private key as x/mod writes it: type and seed. */
function keyOfSeed(encoded: string): KeyObject {
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.from(encoded, 'base64').subarray(1)])
  return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
}

/** The text with the code unit at `at` one higher. */
function incremented(text: string, at: number): string {
  return `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) + 1)}${text.slice(at + 1)}`
}

describe('the example of C2SP signed-note', () => {
  const key = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
  const note =
    'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n'

  it('is verified by its key', () => {
    assert.deepEqual(namesOf(note, noteVerifier(parseVerifierKey(key))), ['example.com/foo'])
    assert.equal(formatVerifierKey(parseVerifierKey(key)), key)
  })

  it('is not verified when any character of its text is another', () => {
    for (let at = 0; at < note.indexOf('.\n'); at++)
      throwsCode('AUDIT_LOG_UNSIGNED', () => namesOf(incremented(note, at), noteVerifier(parseVerifierKey(key))))
  })

  it('with a poem has its empty line in the text', () => {
    const poem = 'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n'
    const line =
      '— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n'
    const parsed = parse(`${poem}\n${line}`)
    assert.equal(parsed.text, poem)
    assert.equal(parsed.signatures[0]?.keyId, 0x367ba04b)
    assert.equal(Buffer.from(formatNote(parsed)).toString(), `${poem}\n${line}`)
  })
})

describe('the example of C2SP tlog-cosignature', () => {
  it('has the time that the specification says', () => {
    const line =
      '— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n'
    const [cosignature] = parseSignatureLines(line)
    assert.equal(Buffer.from(cosignature?.signature ?? []).readBigUInt64BE(0), 1679315147n)
    assert.equal(formatSignatureLines(parseSignatureLines(line)), line)
  })
})

describe('a verifier key', () => {
  it('is taken as x/mod writes it', () => {
    assert.equal(formatVerifierKey(parseVerifierKey(PETER_KEY)), PETER_KEY)
    assert.equal(parseVerifierKey(PETER_KEY).keyId, 0xc74f20a3)
  })

  it('is not taken in part, or with any character another', () => {
    for (let start = 0; start <= PETER_KEY.length; start++)
      for (let end = start + 1; end <= PETER_KEY.length; end++)
        if (end - start < PETER_KEY.length) throwsCode('AUDIT_LOG_MALFORMED', () => parseVerifierKey(PETER_KEY.slice(start, end)))
    for (let at = 0; at < PETER_KEY.length; at++) throwsCode('AUDIT_LOG_MALFORMED', () => parseVerifierKey(incremented(PETER_KEY, at)))
  })

  it('is not taken with a key of the wrong length, or an unknown type, under a key id that fits', () => {
    throwsCode('AUDIT_LOG_MALFORMED', () => parseVerifierKey('PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=='))
    throwsCode('AUDIT_LOG_MALFORMED', () => parseVerifierKey('PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'))
  })

  it('has another key id for another type', () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const [note, cosignature] = [verifierKeyOf('w.example.test', 1, privateKey), verifierKeyOf('w.example.test', 4, privateKey)]
    assert.notEqual(note.keyId, cosignature.keyId)
    assert.deepEqual(parseVerifierKey(formatVerifierKey(cosignature)), cosignature)
    assert.deepEqual(verifierKeyOf('w.example.test', 4, createPublicKey(privateKey)), cosignature)
  })

  it('is made of Ed25519 keys and possible names only', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    assert.throws(() => verifierKeyOf('a', 1, privateKey), TypeError)
    for (const name of ['', 'a b', 'a+b', 'a\u00a0b', 'a\u3000b', 'a\nb', 'a\u0001', '\ud800'])
      throwsCode('AUDIT_LOG_MALFORMED', () => verifierKeyOf(name, 1, keyOfSeed(PETER_SEED)), JSON.stringify(name))
  })
})

describe('a signer', () => {
  it('signs as x/mod does', () => {
    const signer = ed25519Signer('PeterNeumann', keyOfSeed(PETER_SEED))
    assert.equal(formatVerifierKey(signer.key), PETER_KEY)
    assert.equal(Buffer.from(formatNote({ text: TEXT, signatures: [signer.sign(TEXT)] })).toString(), `${TEXT}\n${PETER_LINE}`)
  })

  it('signs nothing that is no text of a note', () => {
    const signer = ed25519Signer('PeterNeumann', keyOfSeed(PETER_SEED))
    const cosigner = cosignatureSigner('PeterNeumann', keyOfSeed(PETER_SEED))
    for (const text of ['abc', '', 'a\u0000\n', 'a\r\n', '\ud800\n']) {
      throwsCode('AUDIT_LOG_MALFORMED', () => signer.sign(text))
      throwsCode('AUDIT_LOG_MALFORMED', () => cosigner.cosign(text, 1))
    }
  })

  it('of cosignatures signs text and time', () => {
    const cosigner = cosignatureSigner('w.example.test', keyOfSeed(PETER_SEED))
    const verifier = cosignatureVerifier(cosigner.key)
    const { signature } = cosigner.cosign(TEXT, 1679315147)
    assert.deepEqual(verifier.verify(TEXT, signature), { key: cosigner.key, timestampS: 1679315147 })
    for (let at = 0; at < signature.length; at++) {
      const changed = Buffer.from(signature)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      assert.equal(verifier.verify(TEXT, changed), null, `byte ${at}`)
    }
    assert.equal(verifier.verify(`${TEXT}\n`, signature), null)
    assert.equal(verifier.verify(TEXT, signature.subarray(0, -1)), null)
  })

  it('of cosignatures wants a time', () => {
    const cosigner = cosignatureSigner('w.example.test', keyOfSeed(PETER_SEED))
    for (const time of [0, -1, 1.5, Number.NaN, 2 ** 53]) assert.throws(() => cosigner.cosign(TEXT, time), RangeError)
  })

  it('is checked under its own type only', () => {
    assert.throws(() => cosignatureVerifier(parseVerifierKey(PETER_KEY)), TypeError)
    assert.throws(() => ed25519Verifier(cosignatureSigner('w', keyOfSeed(PETER_SEED)).key), TypeError)
  })
})

describe('a note', () => {
  it('is verified by those who are known, and keeps the others', () => {
    assert.deepEqual(namesOf(`${TEXT}\n${PETER_LINE}${ENOCH_LINE}`, peter), ['PeterNeumann'])
    assert.deepEqual(namesOf(`${TEXT}\n${PETER_LINE}${ENOCH_LINE}`, peter, enoch), ['PeterNeumann', 'EnochRoot'])
    assert.equal(parse(`${TEXT}\n${PETER_LINE}${ENOCH_LINE}`).signatures.length, 2)
  })

  it('without a signature by somebody known is refused', () => {
    throwsCode('AUDIT_LOG_UNSIGNED', () => namesOf(`${TEXT}\n${PETER_LINE}${ENOCH_LINE}`))
    assert.deepEqual(verifiedSignatures(parse(`${TEXT}\n${PETER_LINE}`), []), [])
  })

  it('with a wrong signature of somebody known is refused, whoever else has signed', () => {
    const wrong = `${PETER_LINE.slice(0, 60)}ABCD${PETER_LINE.slice(60)}`
    throwsCode('AUDIT_LOG_UNSIGNED', () => namesOf(`${TEXT}\n${wrong}`, peter))
    throwsCode('AUDIT_LOG_UNSIGNED', () => namesOf(`${TEXT}\n${ENOCH_LINE}${wrong}`, peter, enoch))
    assert.deepEqual(namesOf(`${TEXT}\n${ENOCH_LINE}${wrong}`, enoch), ['EnochRoot'])
  })

  it('counts a key once', () => {
    assert.deepEqual(namesOf(`${TEXT}\n${PETER_LINE}${PETER_LINE}${ENOCH_LINE}`, peter), ['PeterNeumann'])
  })

  it('with two cosignatures by one key counts the later', () => {
    const cosigner = cosignatureSigner('w.example.test', keyOfSeed(PETER_SEED))
    const signatures = [20, 30, 10].map((time) => cosigner.cosign(TEXT, time))
    const found = openNote({ text: TEXT, signatures }, [cosignatureVerifier(cosigner.key)])
    assert.deepEqual(
      found.map(({ timestampS }) => timestampS),
      [30],
    )
  })

  it('is no question of who is meant: two known keys of one name and key id are a mistake of the caller', () => {
    assert.throws(() => namesOf(`${TEXT}\n${ENOCH_LINE}`, enoch, peter, enoch), TypeError)
    assert.deepEqual(namesOf(`${TEXT}\n${PETER_LINE}`, enoch, peter, enoch), ['PeterNeumann'])
  })

  it('under another name, or another key id, is by somebody unknown', () => {
    throwsCode('AUDIT_LOG_UNSIGNED', () => namesOf(`${TEXT}\n${PETER_LINE.replace('PeterNeumann', 'CarmenSandiego')}`, peter))
    throwsCode('AUDIT_LOG_UNSIGNED', () => namesOf(`${TEXT}\n${PETER_LINE.replace('x08g', 'xxxx')}`, peter))
  })

  it('with 100 signatures is taken, with 101 not', () => {
    assert.deepEqual(namesOf(`${TEXT}\n${PETER_LINE.repeat(100)}`, peter), ['PeterNeumann'])
    throwsCode('AUDIT_LOG_MALFORMED', () => parse(`${TEXT}\n${PETER_LINE.repeat(101)}`))
  })

  it('that is none is refused', () => {
    const bad: readonly (string | Buffer)[] = [
      TEXT,
      `${TEXT}\n`,
      `${TEXT}\n${PETER_LINE.slice(0, -1)}`,
      `\x01${TEXT}\n${PETER_LINE}`,
      Buffer.concat([Buffer.from([0xff]), Buffer.from(`${TEXT}\n${PETER_LINE}`)]),
      `${TEXT}\n— Bad Name x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`,
      `${TEXT}\n— Bad+Name x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`,
      `${TEXT}\n— ${'a\u00a0b'} x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`,
      `${TEXT}\n${PETER_LINE}Unexpected line.\n`,
      `${TEXT}\n${PETER_LINE.replace('— ', '- ')}`,
      `${TEXT}\n${PETER_LINE.replace('— ', '—  ')}`,
      `${TEXT}\n${PETER_LINE.replace('=', '')}`,
      `${TEXT}\n${PETER_LINE.replace('AM=', 'AN=')}`,
      `${TEXT}\n${PETER_LINE.replace('\n', '\r\n')}`,
      `${TEXT}\n— PeterNeumann x08gow==\n`,
      `${'a'.repeat(NOTE_BYTES_MAX)}\n\n${PETER_LINE}`,
      '',
      '\n',
    ]
    for (const note of bad) throwsCode('AUDIT_LOG_MALFORMED', () => parseNote(Buffer.from(note)), note.slice(0, 200).toString())
  })

  it('keeps a byte order mark, which is signed like the rest', () => {
    throwsCode('AUDIT_LOG_UNSIGNED', () => namesOf(`\ufeff${TEXT}\n${PETER_LINE}`, peter))
  })

  it('is not printed when it could not be read', () => {
    const [signature] = parseSignatureLines(PETER_LINE)
    assert.ok(signature !== undefined)
    for (const note of [
      { text: TEXT, signatures: [] },
      { text: 'no newline', signatures: [signature] },
      { text: TEXT, signatures: [{ ...signature, name: 'a+b' }] },
      { text: TEXT, signatures: [{ ...signature, signature: new Uint8Array(0) }] },
      { text: TEXT, signatures: Array.from({ length: 101 }, () => signature) },
    ])
      throwsCode('AUDIT_LOG_MALFORMED', () => formatNote(note))
  })
})
