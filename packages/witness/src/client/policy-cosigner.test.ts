// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import {
  cosignatureSigner,
  evaluatePolicy,
  formatSignatureLines,
  formatVerifierKey,
  type Policy,
  parseAddCheckpoint,
  parseNote,
  parsePolicy,
} from '@sallyport/audit-log'
import { type HttpHandler, HttpServer, textAnswer } from '@sallyport/http'
import { TestLog } from '../_log.ts'
import { policyOf, ServedWitness, TemporaryDirectory } from '../_witness.ts'
import type { WitnessOutcome } from './contract.ts'
import { PolicyCosigner, type PolicyCosignerOptions } from './policy-cosigner.ts'

function failTest(error: unknown): never {
  throw error
}

const log = new TestLog()
const TIMES = { requestMs: 1000, totalMs: 2000, retryMs: 10 }
/** For witnesses that are no use, where all of it passes. */
const SHORT_TIMES = { requestMs: 200, totalMs: 400, retryMs: 10 }

function cosigner(policy: Policy, options: Partial<PolicyCosignerOptions> = {}): PolicyCosigner {
  return new PolicyCosigner({ policy, times: TIMES, ...options })
}

async function cosign(asker: PolicyCosigner, size: number, of = log): Promise<Uint8Array> {
  return asker.cosign(await of.checkpoint(size), (oldSize) => of.prove(oldSize, size))
}

function witnessesOf(policy: Policy, note: Uint8Array): string[] {
  const decision = evaluatePolicy(policy, parseNote(note))
  assert.ok(decision.isAccepted)
  return decision.witnesses.map(({ name }) => name).toSorted()
}

/** Three real witnesses. */
class Three implements AsyncDisposable {
  readonly served: ServedWitness[] = []
  readonly #directories: TemporaryDirectory[] = []

  static async start(): Promise<Three> {
    const three = new Three()
    for (let index = 1; index <= 3; index++) await three.#add(`w${index}.example.test`)
    return three
  }

  async #add(name: string): Promise<void> {
    const directory = await TemporaryDirectory.create()
    this.#directories.push(directory)
    this.served.push(await ServedWitness.start(directory.path, log, { name }))
  }

  async stop(index: number): Promise<void> {
    await this.served[index]?.[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const served of this.served) await served[Symbol.asyncDispose]()
    for (const directory of this.#directories) await directory[Symbol.asyncDispose]()
  }
}

describe('asking the witnesses of a policy', () => {
  test('brings the cosignatures of all that answer, checkpoint after checkpoint', async () => {
    await using three = await Three.start()
    const policy = policyOf(log, three.served, 2)
    using asker = cosigner(policy, { lingerMs: 2000 })
    for (const size of [5, 70, 70, 300]) assert.deepEqual(witnessesOf(policy, await cosign(asker, size)), ['w1', 'w2', 'w3'])
  })

  test('goes on from the size that each witness has, which may be none, the same, or anything between', async () => {
    await using three = await Three.start()
    await three.served[1]?.witness.add(await log.request(0, 70))
    await three.served[2]?.witness.add(await log.request(0, 300))
    const policy = policyOf(log, three.served, 3)
    using asker = cosigner(policy)
    assert.deepEqual(witnessesOf(policy, await cosign(asker, 300)), ['w1', 'w2', 'w3'])
  })

  test('does with those that are there, while they are enough', async () => {
    await using three = await Three.start()
    const policy = policyOf(log, three.served, 2)
    await three.stop(0)
    using asker = cosigner(policy)
    assert.deepEqual(witnessesOf(policy, await cosign(asker, 70)), ['w2', 'w3'])
    await three.stop(1)
    await assert.rejects(cosign(asker, 80), { code: 'WITNESS_QUORUM_MISSED' })
  })

  test('asks anew for cosignatures that the checkpoint came with', async () => {
    await using three = await Three.start()
    const policy = policyOf(log, three.served, 3)
    using asker = cosigner(policy)
    const before = await cosign(asker, 70)
    const after = await asker.cosign(before, (oldSize) => log.prove(oldSize, 70))
    assert.equal(parseNote(after).signatures.length, 4)
  })

  test('is refused for a log that was rolled back, or forked, and says which witness remembers', async () => {
    await using three = await Three.start()
    const policy = policyOf(log, three.served, 2)
    const outcomes: WitnessOutcome[] = []
    using asker = cosigner(policy, { onOutcome: (outcome) => outcomes.push(outcome), lingerMs: 2000 })
    await cosign(asker, 300)
    outcomes.length = 0
    await assert.rejects(cosign(asker, 70), { code: 'WITNESS_QUORUM_MISSED' })
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.kind === 'ahead' ? outcome.size : outcome.kind)),
      [300, 300, 300],
    )
    const fork = new TestLog({ salt: 'fork', commonSize: 200, signer: log.signer })
    outcomes.length = 0
    await assert.rejects(cosign(asker, 400, fork), { code: 'WITNESS_QUORUM_MISSED' })
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['refused', 'refused', 'refused'],
    )
  })

  test('of more than a note has room for, leaves out those that the policy can do without', async () => {
    const witnesses = Array.from({ length: 110 }, (_, index) => cosignatureSigner(`w${index}`, generateKeyPairSync('ed25519').privateKey))
    const handle: HttpHandler = async (request) => {
      const index = Number(/^\/(\d+)\//.exec(request.path)?.[1])
      const { note } = parseAddCheckpoint((await request.body(100_000)) ?? new Uint8Array())
      const signature = witnesses[index]?.cosign(note.text, Math.floor(Date.now() / 1000))
      return signature === undefined ? textAnswer(404, '') : textAnswer(200, formatSignatureLines([signature]))
    }
    await using server = await HttpServer.start({ address: '127.0.0.1', port: 0, handle, onFailure: failTest })
    const policyOfMany = (threshold: number): Policy => {
      const lines = witnesses.map(({ key }, index) => `witness w${index} ${formatVerifierKey(key)} ${server.url}/${index}`)
      const names = witnesses.map((_, index) => `w${index}`)
      return parsePolicy(
        Buffer.from([`log ${log.verifierKey}`, ...lines, `group g ${threshold} ${names.join(' ')}`, 'quorum g', ''].join('\n')),
      )
    }
    const slow = { ...TIMES, totalMs: 60_000, requestMs: 60_000 }
    const policy = policyOfMany(99)
    using asker = cosigner(policy, { lingerMs: 1000, times: slow })
    const note = await cosign(asker, 70)
    assert.equal(parseNote(note).signatures.length, 100)
    assert.equal(witnessesOf(policy, note).length, 99)
    using vain = cosigner(policyOfMany(100), { times: slow })
    await assert.rejects(cosign(vain, 70), { code: 'WITNESS_QUORUM_MISSED', message: /room for 100 signatures, and the policy wants more/ })
  })

  test('waits for nobody where the policy wants none', async () => {
    const key = formatVerifierKey(cosignatureSigner('w', generateKeyPairSync('ed25519').privateKey).key)
    const policy = parsePolicy(Buffer.from(`log ${log.verifierKey}\nwitness w ${key} http://127.0.0.1:1/\nquorum none\n`))
    using asker = cosigner(policy, { times: { ...TIMES, totalMs: 60_000 } })
    assert.deepEqual(witnessesOf(policy, await cosign(asker, 70)), [])
  })
})

/** One witness of a policy that answers as a test says. */
class FakeWitness implements AsyncDisposable {
  readonly cosigner = cosignatureSigner('fake.example.test', generateKeyPairSync('ed25519').privateKey)
  readonly outcomes: WitnessOutcome[] = []
  requests = 0
  readonly policy: Policy
  readonly asker: PolicyCosigner
  readonly #server: HttpServer

  private constructor(server: HttpServer) {
    this.#server = server
    this.policy = parsePolicy(
      Buffer.from(`log ${log.verifierKey}\nwitness w ${formatVerifierKey(this.cosigner.key)} ${server.url}\nquorum w\n`),
    )
    this.asker = cosigner(this.policy, { onOutcome: (outcome) => this.outcomes.push(outcome), times: SHORT_TIMES })
  }

  static async start(answer: (fake: FakeWitness, body: Uint8Array) => ReturnType<HttpHandler>): Promise<FakeWitness> {
    const handle: HttpHandler = async (request) => {
      fake.requests++
      return answer(fake, (await request.body(100_000)) ?? new Uint8Array())
    }
    const server = await HttpServer.start({ address: '127.0.0.1', port: 0, handle, onFailure: failTest })
    const fake = new FakeWitness(server)
    return fake
  }

  lines(body: Uint8Array, timestampS = Math.floor(Date.now() / 1000)): string {
    return formatSignatureLines([this.cosigner.cosign(parseAddCheckpoint(body).note.text, timestampS)])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.asker[Symbol.dispose]()
    await this.#server[Symbol.asyncDispose]()
  }
}

describe('a witness that', () => {
  const stranger = cosignatureSigner('stranger', generateKeyPairSync('ed25519').privateKey)
  const useless: readonly [string, WitnessOutcome['kind'], (fake: FakeWitness, body: Uint8Array) => ReturnType<HttpHandler>][] = [
    ['never answers', 'failed', () => new Promise(() => undefined)],
    ['answers with nothing', 'failed', async () => textAnswer(200, '')],
    [
      'answers with another’s cosignature',
      'failed',
      async (_fake, body) => textAnswer(200, formatSignatureLines([stranger.cosign(parseAddCheckpoint(body).note.text, 1)])),
    ],
    [
      'cosigns another checkpoint',
      'failed',
      async (fake) => textAnswer(200, formatSignatureLines([fake.cosigner.cosign('a\n1\nb\n', Math.floor(Date.now() / 1000))])),
    ],
    ['repeats an old cosignature', 'failed', async (fake, body) => textAnswer(200, fake.lines(body, Math.floor(Date.now() / 1000) - 1000))],
    ['cosigns in the future', 'failed', async (fake, body) => textAnswer(200, fake.lines(body, Math.floor(Date.now() / 1000) + 1000))],
    ['answers without end', 'failed', async () => textAnswer(200, 'x'.repeat(1_000_000))],
    ['sends its client elsewhere', 'refused', async () => textAnswer(302, '', { location: 'http://127.0.0.1:1/' })],
    ['does not know the log', 'refused', async () => textAnswer(404, 'unknown\n')],
    ['conflicts with a size that is none', 'failed', async () => textAnswer(409, '-1\n')],
    ['conflicts without end', 'failed', async (fake) => textAnswer(409, `${fake.requests}\n`)],
    ['is ahead', 'ahead', async () => textAnswer(409, '999999999\n')],
  ]

  for (const [title, kind, answer] of useless)
    test(`${title} does not count`, async () => {
      await using fake = await FakeWitness.start(answer)
      await assert.rejects(cosign(fake.asker, 70), { code: 'WITNESS_QUORUM_MISSED' })
      assert.deepEqual(
        fake.outcomes.map((outcome) => outcome.kind),
        [kind],
      )
      assert.ok(fake.requests < 50)
    })

  test('fails at first is asked again', async () => {
    await using fake = await FakeWitness.start(async (self, body) =>
      self.requests < 4 ? textAnswer(503, '') : textAnswer(200, self.lines(body)),
    )
    assert.deepEqual(witnessesOf(fake.policy, await cosign(fake.asker, 70)), ['w'])
  })

  test('adds lines of unknown keys does count, without them', async () => {
    await using fake = await FakeWitness.start(async (self, body) =>
      textAnswer(200, formatSignatureLines([stranger.cosign(parseAddCheckpoint(body).note.text, 1)]) + self.lines(body)),
    )
    assert.equal(parseNote(await cosign(fake.asker, 70)).signatures.length, 2)
  })

  test('answers with the sixteen largest signatures that there are does count', async () => {
    const others = Array.from({ length: 15 }, (_, index) => ({ name: `pq${index}`, keyId: index, signature: Buffer.alloc(5000, index) }))
    await using fake = await FakeWitness.start(async (self, body) => textAnswer(200, formatSignatureLines(others) + self.lines(body)))
    assert.equal(parseNote(await cosign(fake.asker, 70)).signatures.length, 2)
  })
})
