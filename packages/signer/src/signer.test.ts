// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  CompactRange,
  ed25519Verifier,
  type Growth,
  type Hash,
  leafHash,
  openNote,
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  proveConsistency,
} from '@sallyport/audit-log'
import { Signer } from './signer.ts'
import { SignerError } from './signer-error.ts'

const ORIGIN = 'log.test/one'

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-signer-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A tree whose entries are numbers; `fork` makes another one of it from that entry on. */
class Tree {
  readonly #leaves: Hash[]

  constructor(size: number, fork = size) {
    this.#leaves = Array.from({ length: size }, (_, index) => leafHash(Buffer.from(`${index}${index < fork ? '' : ' other'}`)))
  }

  root(size: number): Hash {
    const range = new CompactRange()
    for (const leaf of this.#leaves.slice(0, size)) range.append(leaf)
    return range.root()
  }

  async growth(oldSize: number, size: number): Promise<Growth> {
    const hash = async (level: number, index: number): Promise<Hash> => {
      const range = new CompactRange()
      for (const leaf of this.#leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)) range.append(leaf)
      return range.root()
    }
    return { oldSize, proof: await proveConsistency({ hash }, oldSize, size), head: { size, root: this.root(size) } }
  }
}

const tree = new Tree(40)

function rejectsWith(code: string, promise: Promise<unknown>): Promise<void> {
  return assert.rejects(promise, (error) => error instanceof SignerError && error.code === code)
}

test('what grows is signed, with a key that its epoch names', async (t) => {
  await using signer = await Signer.open(temporaryDirectory(t), ORIGIN)
  for (const [oldSize, size] of [
    [0, 0],
    [0, 7],
    [7, 7],
    [7, 40],
  ] as const) {
    const note = parseNote(await signer.sign(await tree.growth(oldSize, size)))
    openNote(note, [ed25519Verifier(parseVerifierKey(signer.epochs[0]?.verifierKey ?? ''))])
    assert.equal(parseCheckpoint(note.text).size, size)
    assert.equal(signer.latest?.size, size)
  }
})

test('no size is signed with another root, none that is smaller, and none without its proof', async (t) => {
  const directory = temporaryDirectory(t)
  await using signer = await Signer.open(directory, ORIGIN)
  const other = new Tree(40, 5)
  await signer.sign(await tree.growth(0, 20))
  const state = readFileSync(join(directory, 'signer.json'), 'utf8')
  const refused: Growth[] = [
    await other.growth(20, 20),
    await other.growth(20, 40),
    await tree.growth(0, 40),
    await tree.growth(10, 40),
    { ...(await tree.growth(20, 40)), proof: [] },
    { oldSize: 20, proof: [], head: { size: 10, root: tree.root(10) } },
    { oldSize: 0, proof: [], head: { size: 0, root: tree.root(0) } },
    { ...(await tree.growth(20, 40)), head: { size: 40, root: tree.root(39) } },
  ]
  for (const growth of refused) await rejectsWith('SIGNER_REFUSED', signer.sign(growth))
  assert.equal(readFileSync(join(directory, 'signer.json'), 'utf8'), state)
  await signer.sign(await tree.growth(20, 40))
})

test('an empty tree has one root', async (t) => {
  await using signer = await Signer.open(temporaryDirectory(t), ORIGIN)
  await rejectsWith('SIGNER_REFUSED', signer.sign({ oldSize: 0, proof: [], head: { size: 0, root: tree.root(1) } }))
})

test('it remembers what it was about to sign, over its own end', async (t) => {
  const directory = temporaryDirectory(t)
  {
    await using signer = await Signer.open(directory, ORIGIN)
    await signer.sign(await tree.growth(0, 20))
  }
  await using signer = await Signer.open(directory, ORIGIN)
  assert.deepEqual(signer.latest, { size: 20, root: Buffer.from(tree.root(20)) })
  await rejectsWith('SIGNER_REFUSED', signer.sign(await new Tree(40, 5).growth(20, 30)))
})

test('what is remembered is on the disk before the signature is made', async (t) => {
  const directory = temporaryDirectory(t)
  await using signer = await Signer.open(directory, ORIGIN)
  rmSync(directory, { recursive: true })
  await assert.rejects(signer.sign(await tree.growth(0, 20)), { code: 'ENOENT' })
})

test('a new key begins where the old one ended, endorsed by it, and the old one is destroyed', async (t) => {
  const directory = temporaryDirectory(t)
  await using signer = await Signer.open(directory, ORIGIN)
  await signer.sign(await tree.growth(0, 20))
  const oldKey = readFileSync(join(directory, 'key-1.pem'), 'utf8')
  await signer.rotate()
  const [first, second] = signer.epochs
  assert.deepEqual([first?.firstSize, first?.lastSize, second?.firstSize, second?.lastSize], [0, 20, 20, null])
  const rotation = parseNote(Buffer.from(second?.rotation ?? '', 'base64'))
  const verifiers = [first, second].map((epoch) => ed25519Verifier(parseVerifierKey(epoch?.verifierKey ?? '')))
  assert.equal(openNote(rotation, verifiers).length, 2)
  assert.deepEqual(rotation.text.split('\n').slice(0, -1), [
    'sallyport key rotation v1',
    ORIGIN,
    '20',
    first?.verifierKey,
    second?.verifierKey,
  ])
  const seal = parseNote(Buffer.from(first?.seal ?? '', 'base64'))
  assert.equal(openNote(seal, verifiers)[0]?.key, verifiers[0]?.key)
  assert.equal(parseCheckpoint(seal.text).size, 20)
  assert.deepEqual(readdirSync(directory).toSorted(), ['key-2.pem', 'lock', 'signer.json'])
  assert.notEqual(readFileSync(join(directory, 'key-2.pem'), 'utf8'), oldKey)
  const note = parseNote(await signer.sign(await tree.growth(20, 40)))
  assert.equal(openNote(note, verifiers)[0]?.key, verifiers[1]?.key)
})

test('a key is readable for its owner alone', async (t) => {
  const directory = temporaryDirectory(t)
  await using _signer = await Signer.open(directory, ORIGIN)
  assert.equal(statSync(join(directory, 'key-1.pem')).mode & 0o777, 0o600)
})

test('a directory has one signer', async (t) => {
  const directory = temporaryDirectory(t)
  await using _signer = await Signer.open(directory, ORIGIN)
  await rejectsWith('SIGNER_LOCKED', Signer.open(directory, ORIGIN))
})

test('files that a signer does not leave behind keep it from signing', async (t) => {
  const spoil: Record<string, (directory: string) => void> = {
    'the memory is gone': (directory) => rmSync(join(directory, 'signer.json')),
    'the key is gone': (directory) => rmSync(join(directory, 'key-1.pem')),
    'the key is another one': (directory) =>
      writeFileSync(join(directory, 'key-1.pem'), generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })),
    'the key is none': (directory) => writeFileSync(join(directory, 'key-1.pem'), 'x'),
    'the memory is none': (directory) => writeFileSync(join(directory, 'signer.json'), '{}'),
    'the memory is torn': (directory) => writeFileSync(join(directory, 'signer.json'), '{"origin":'),
  }
  for (const [name, change] of Object.entries(spoil)) {
    const directory = temporaryDirectory(t)
    {
      await using signer = await Signer.open(directory, ORIGIN)
      await signer.sign(await tree.growth(0, 20))
    }
    change(directory)
    await assert.rejects(Signer.open(directory, ORIGIN), (error) => error instanceof SignerError && error.code === 'SIGNER_DAMAGED', name)
  }
})

test('keys of another log are refused', async (t) => {
  const directory = temporaryDirectory(t)
  {
    await using _signer = await Signer.open(directory, ORIGIN)
  }
  await rejectsWith('SIGNER_DAMAGED', Signer.open(directory, 'log.test/two'))
})

test('a crash between the first two files begins again: nothing was signed', async (t) => {
  const directory = temporaryDirectory(t)
  {
    await using _signer = await Signer.open(directory, ORIGIN)
  }
  rmSync(join(directory, 'key-1.pem'))
  await using signer = await Signer.open(directory, ORIGIN)
  await signer.sign(await tree.growth(0, 20))
})

test('a key that has signed nothing is replaced, too', async (t) => {
  await using signer = await Signer.open(temporaryDirectory(t), ORIGIN)
  await signer.rotate()
  assert.deepEqual(
    signer.epochs.map(({ firstSize, lastSize }) => [firstSize, lastSize]),
    [
      [0, 0],
      [0, null],
    ],
  )
  await signer.sign(await tree.growth(0, 20))
})
