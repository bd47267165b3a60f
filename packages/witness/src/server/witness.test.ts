// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  ed25519Signer,
  ed25519Verifier,
  formatAddCheckpoint,
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  openNote,
  parseCheckpoint,
  parseNote,
} from '@sallyport/audit-log'
import { TestLog } from '../_log.ts'
import { cosignedAt, openWitness, TemporaryDirectory } from '../_witness.ts'
import type { AddAnswer, Fork, RecordFiles } from './contract.ts'
import type { Witness } from './witness.ts'
import { readWitnessLogs } from './witness-logs.ts'

const log = new TestLog()
const hash = createHash('sha256').update(log.origin).digest('hex')

async function cosigned(witness: Witness, oldSize: number, size: number, of = log): Promise<number> {
  const answer = await witness.add(await of.request(oldSize, size))
  assert.equal(answer.status, 200, JSON.stringify(answer))
  return cosignedAt(witness, await of.checkpoint(size), answer.status === 200 ? answer.cosignatures : '')
}

async function latestSize(witness: Witness): Promise<number | null> {
  const note = await witness.latest(hash)
  return note === null ? null : parseCheckpoint(parseNote(note).text).size
}

describe('a witness cosigns', () => {
  test('the first checkpoint, one that grows from it, and the same one again with a new time', async () => {
    await using directory = await TemporaryDirectory.create()
    let now = 1_700_000_000_000
    await using witness = await openWitness(directory.path, log, { now: () => now })
    assert.equal(await cosigned(witness, 0, 70), 1_700_000_000)
    assert.equal(await cosigned(witness, 70, 300), 1_700_000_000)
    now += 60_000
    assert.equal(await cosigned(witness, 300, 300), 1_700_000_060)
  })

  test('an empty tree, and what grows from it', async () => {
    await using directory = await TemporaryDirectory.create()
    await using witness = await openWitness(directory.path, log)
    await cosigned(witness, 0, 0)
    await cosigned(witness, 0, 5)
  })

  test('logs beside each other, and a log by any of its keys', async () => {
    await using directory = await TemporaryDirectory.create()
    const other = new TestLog({ origin: 'other.example.test', salt: 'o' })
    const rotated = new TestLog({ origin: other.origin, salt: 'o' })
    await using witness = await openWitness(directory.path, log, { logs: [log, other, rotated].map(({ signer }) => signer.key) })
    await cosigned(witness, 0, 7)
    await cosigned(witness, 0, 9, other)
    await cosigned(witness, 9, 11, rotated)
    assert.equal(await latestSize(witness), 7)
  })

  test('and shows monitors the latest one with its own signature and the log’s, and none of others', async () => {
    await using directory = await TemporaryDirectory.create()
    await using witness = await openWitness(directory.path, log)
    assert.equal(await witness.latest(hash), null)
    const { text, signatures } = parseNote(await log.checkpoint(70))
    const stranger = ed25519Signer('stranger', generateKeyPairSync('ed25519').privateKey)
    const checkpoint = formatNote({ text, signatures: [stranger.sign(text), ...signatures] })
    assert.equal((await witness.add(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint }))).status, 200)
    const shown = parseNote((await witness.latest(hash)) ?? new Uint8Array())
    assert.deepEqual(
      shown.signatures.map(({ name }) => name),
      [log.origin, 'w1.example.test'],
    )
    assert.equal(openNote(shown, [ed25519Verifier(log.signer.key)]).length, 1)
    assert.equal(await witness.latest(createHash('sha256').update('else').digest('hex')), null)
  })
})

describe('a witness refuses', () => {
  const fork = new TestLog({ salt: 'fork', commonSize: 50, signer: log.signer })

  interface Refusal {
    readonly title: string
    readonly request: () => Promise<Uint8Array>
    readonly status: AddAnswer['status']
    readonly size?: number
  }

  async function signed(size: number, root: Uint8Array): Promise<Uint8Array> {
    const text = formatCheckpoint({ origin: log.origin, size, root, extensions: [] })
    return formatNote({ text, signatures: [log.signer.sign(text)] })
  }

  const refusals: readonly Refusal[] = [
    { title: 'what is no request', request: async () => Buffer.from('hello\n'), status: 400 },
    { title: 'nothing', request: async () => new Uint8Array(), status: 400 },
    {
      title: 'an old size with a leading zero',
      request: async () =>
        Buffer.from(
          Buffer.from(await log.request(70, 300))
            .toString()
            .replace('old 70', 'old 070'),
        ),
      status: 400,
    },
    {
      title: 'an old size that is larger than the new one',
      request: async () => formatAddCheckpoint({ oldSize: 71, proof: [], checkpoint: await log.checkpoint(70) }),
      status: 400,
    },
    { title: 'an old size that is not the one it has cosigned', request: () => log.request(60, 300), status: 409, size: 70 },
    { title: 'an old size of zero, which is how a log asks for the size', request: () => log.request(0, 300), status: 409, size: 70 },
    { title: 'a smaller tree', request: () => log.request(0, 60), status: 409, size: 70 },
    { title: 'another log', request: () => new TestLog({ origin: 'unknown' }).request(0, 5), status: 404 },
    { title: 'a key that is not the log’s', request: () => new TestLog().request(70, 300), status: 403 },
    {
      title: 'a wrong signature of the log’s key',
      request: async () => {
        const { text, signatures } = parseNote(await log.checkpoint(300))
        const checkpoint = formatNote({ text, signatures: signatures.map((line) => ({ ...line, signature: Buffer.alloc(64, 1) })) })
        return formatAddCheckpoint({ oldSize: 70, proof: await log.prove(70, 300), checkpoint })
      },
      status: 403,
    },
    { title: 'a fork', request: () => fork.request(70, 300), status: 422 },
    { title: 'the same size with another root', request: () => fork.request(70, 70), status: 422 },
    {
      title: 'no proof',
      request: async () => formatAddCheckpoint({ oldSize: 70, proof: [], checkpoint: await log.checkpoint(300) }),
      status: 422,
    },
    {
      title: 'a proof that is longer than it has to be',
      request: async () => {
        const proof = await log.prove(70, 300)
        return formatAddCheckpoint({ oldSize: 70, proof: [...proof, ...proof.slice(-1)], checkpoint: await log.checkpoint(300) })
      },
      status: 422,
    },
    {
      title: 'a proof for the same size',
      request: async () => formatAddCheckpoint({ oldSize: 70, proof: await log.prove(60, 70), checkpoint: await log.checkpoint(70) }),
      status: 422,
    },
  ]

  for (const { title, request, status, size } of refusals)
    test(`${title} (${status})`, async () => {
      await using directory = await TemporaryDirectory.create()
      await using witness = await openWitness(directory.path, log)
      await cosigned(witness, 0, 70)
      const answer = await witness.add(await request())
      assert.equal(answer.status, status)
      if (size !== undefined) assert.deepEqual(answer, { status, size })
      assert.equal(await latestSize(witness), 70)
      await cosigned(witness, 70, 300)
    })

  const firsts: readonly Refusal[] = [
    {
      title: 'a proof from nothing',
      request: async () => formatAddCheckpoint({ oldSize: 0, proof: await log.prove(3, 70), checkpoint: await log.checkpoint(70) }),
      status: 422,
    },
    {
      title: 'an empty tree with a root that is not its',
      request: async () => formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: await signed(0, Buffer.alloc(32)) }),
      status: 422,
    },
    { title: 'growth from a tree that it has never seen', request: () => log.request(70, 300), status: 409, size: 0 },
  ]

  for (const { title, request, status } of firsts)
    test(`at first: ${title} (${status})`, async () => {
      await using directory = await TemporaryDirectory.create()
      await using witness = await openWitness(directory.path, log)
      assert.equal((await witness.add(await request())).status, status)
      assert.equal(await latestSize(witness), null)
    })

  test('and reports two views of one size as proof against the log', async () => {
    await using directory = await TemporaryDirectory.create()
    const forks: Fork[] = []
    await using witness = await openWitness(directory.path, log, { onFork: (found) => forks.push(found) })
    await cosigned(witness, 0, 70)
    await witness.add(await fork.request(0, 70))
    await witness.add(await log.request(0, 70))
    assert.deepEqual(
      forks.map(({ origin, cosigned: { size } }) => ({ origin, size })),
      [{ origin: log.origin, size: 70 }],
    )
  })
})

/** A disk whose writes end when they are told to. */
class SlowFiles implements RecordFiles {
  readonly files = new Map<string, Uint8Array>()
  readonly writes: { readonly size: number; readonly finish: () => void; readonly fail: () => void }[] = []

  async read(name: string): Promise<Uint8Array | null> {
    return this.files.get(name) ?? null
  }

  write(name: string, bytes: Uint8Array): Promise<void> {
    const { size } = parseCheckpoint(parseNote(bytes).text)
    return new Promise((resolve, reject) => {
      const store = (): void => void this.files.set(name, bytes)
      this.writes.push({
        size,
        finish: () => {
          store()
          resolve()
        },
        // What fails may have come to the disk all the same
        fail: () => {
          store()
          reject(new Error('no space left on device'))
        },
      })
    })
  }

  async next(): Promise<SlowFiles['writes'][number]> {
    for (;;) {
      const write = this.writes.shift()
      if (write !== undefined) return write
      await new Promise(setImmediate)
    }
  }
}

describe('the record of a witness', () => {
  test('is never rolled back by a slower request: of two that start from one size, one has to come again', async () => {
    await using directory = await TemporaryDirectory.create()
    const files = new SlowFiles()
    await using witness = await openWitness(directory.path, log, { files })
    const requests = [await log.request(0, 70), await log.request(0, 100)]
    const answers = Promise.all(requests.map((request) => witness.add(request)))
    const first = await files.next()
    // The second one is not even looked at while the first one is being written
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    assert.deepEqual([first.size, files.writes.length], [70, 0])
    first.finish()
    assert.deepEqual(
      (await answers).map((answer) => (answer.status === 409 ? answer : answer.status)),
      [200, { status: 409, size: 70 }],
    )
    assert.equal(await latestSize(witness), 70)
  })

  test('only grows, whatever many requests at once ask for', async () => {
    await using directory = await TemporaryDirectory.create()
    await using witness = await openWitness(directory.path, log)
    await cosigned(witness, 0, 1)
    const sizes: number[] = []
    const climb = async (step: number): Promise<void> => {
      for (let [old, size] = [1, 1 + step]; size <= 400; ) {
        const answer = await witness.add(await log.request(Math.min(old, size), size))
        if (answer.status === 409) old = answer.size
        if (answer.status === 200) sizes.push(size)
        if (answer.status === 200 || old > size) [old, size] = [Math.max(old, size), Math.max(old, size) + step]
      }
    }
    await Promise.all([climb(7), climb(11), climb(13)])
    assert.deepEqual(
      sizes,
      sizes.toSorted((a, b) => a - b),
    )
    assert.ok(sizes.length > 30)
  })

  test('is durable before the answer', async () => {
    await using directory = await TemporaryDirectory.create()
    const files = new SlowFiles()
    await using witness = await openWitness(directory.path, log, { files })
    let isAnswered = false
    const answer = witness.add(await log.request(0, 70)).then(() => {
      isAnswered = true
    })
    const write = await files.next()
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    assert.equal(isAnswered, false)
    write.finish()
    await answer
  })

  test('is what the disk has after a write that failed, and is written once more before it counts', async () => {
    await using directory = await TemporaryDirectory.create()
    const files = new SlowFiles()
    await using witness = await openWitness(directory.path, log, { files })
    const failing = assert.rejects(witness.add(await log.request(0, 70)), /no space left/)
    ;(await files.next()).fail()
    await failing
    const again = witness.add(await log.request(0, 80))
    const rewrite = await files.next()
    assert.equal(rewrite.size, 70)
    rewrite.finish()
    assert.deepEqual(await again, { status: 409, size: 70 })
  })

  test('outlives the process', async () => {
    await using directory = await TemporaryDirectory.create()
    const key = await (async () => {
      await using witness = await openWitness(directory.path, log)
      await cosigned(witness, 0, 70)
      return witness.verifierKey
    })()
    await using witness = await openWitness(directory.path, log)
    assert.equal(witness.verifierKey, key)
    assert.deepEqual(await witness.add(await log.request(0, 80)), { status: 409, size: 70 })
    await cosigned(witness, 70, 80)
  })

  test('of another hand is not used', async () => {
    await using directory = await TemporaryDirectory.create()
    await using other = await TemporaryDirectory.create()
    await using stranger = await openWitness(other.path, log)
    await cosigned(stranger, 0, 60)
    await using witness = await openWitness(directory.path, log)
    await writeFile(join(directory.path, 'logs', hash), (await stranger.latest(hash)) ?? '')
    await assert.rejects(async () => witness.add(await log.request(0, 70)), { code: 'WITNESS_DAMAGED' })
    await assert.rejects(async () => witness.latest(hash), { code: 'WITNESS_DAMAGED' })
  })
})

describe('the directory of a witness', () => {
  test('has one witness at a time', async () => {
    await using directory = await TemporaryDirectory.create()
    await using _witness = await openWitness(directory.path, log)
    await assert.rejects(openWitness(directory.path, log), { code: 'WITNESS_LOCKED' })
  })

  test('keeps the key for its owner, and tells the public one', async () => {
    await using directory = await TemporaryDirectory.create()
    await using witness = await openWitness(directory.path, log)
    assert.equal((await stat(join(directory.path, 'key.pem'))).mode & 0o777, 0o600)
    assert.equal(await readFile(join(directory.path, 'key.pub'), 'utf8'), `${witness.verifierKey}\n`)
  })

  for (const [title, spoil] of [
    ['a lost key', (path: string) => rm(join(path, 'key.pem'))],
    ['a key that is none', (path: string) => writeFile(join(path, 'key.pem'), 'no key')],
  ] as const)
    test(`is refused with ${title}`, async () => {
      await using directory = await TemporaryDirectory.create()
      await (await openWitness(directory.path, log))[Symbol.asyncDispose]()
      await spoil(directory.path)
      await assert.rejects(openWitness(directory.path, log), { code: 'WITNESS_DAMAGED' })
    })

  test('is refused under another name, which would be another key', async () => {
    await using directory = await TemporaryDirectory.create()
    await (await openWitness(directory.path, log))[Symbol.asyncDispose]()
    await assert.rejects(openWitness(directory.path, log, { name: 'w2.example.test' }), { code: 'WITNESS_DAMAGED' })
  })
})

describe('the file that names the logs', () => {
  const cases: readonly [string, string, string | null][] = [
    [
      'several logs, several keys',
      `log ${formatVerifierKey(log.signer.key)}\nlog ${formatVerifierKey(new TestLog().signer.key)} https://x.test\nquorum none\n`,
      null,
    ],
    ['no log', 'quorum none\n', 'WITNESS_UNCONFIGURED'],
    ['an unknown word', 'lug x\nquorum none\n', 'AUDIT_LOG_MALFORMED'],
  ]
  for (const [title, content, code] of cases)
    test(title, async () => {
      await using directory = await TemporaryDirectory.create()
      const path = join(directory.path, 'logs.policy')
      await writeFile(path, content)
      if (code === null) assert.equal((await readWitnessLogs(path)).length, 2)
      else await assert.rejects(readWitnessLogs(path), { code })
    })

  test('has to be there', async () => {
    await assert.rejects(readWitnessLogs('/nonexistent/logs.policy'), { code: 'WITNESS_UNCONFIGURED' })
  })
})
