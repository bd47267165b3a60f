// SPDX-License-Identifier: Apache-2.0
// A log is published while others write to it, and again when nothing was written: with a witness that serves HTTP in this process.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { auditPlaces } from '@sallyport/agent'
import { cosignatureVerifier, openNote, parseAddCheckpoint, parseCheckpoint, parseNote, parseVerifierKey } from '@sallyport/audit-log'
import type { EventEnvelope } from '@sallyport/core'
import { HttpServer, textAnswer } from '@sallyport/http'
import { lockExclusively } from '@sallyport/store'
import { Witness, witnessHandler } from '@sallyport/witness'
import { auditCommands } from '../../packages/agent/src/audit/commands.ts'
import { publishForLease } from '../../packages/agent/src/audit/publish-for-lease.ts'
import { RunLog } from '../../packages/agent/src/audit/run-log.ts'

const RUN = '20261129-140200-abcdef'

function eventOf(run: string): EventEnvelope {
  return { seq: 1, run, at: '2026-11-29T14:02:00.000Z', type: 'a.b', data: {} }
}

async function logRun(state: string, run: string): ReturnType<RunLog['close']> {
  await using log = new RunLog(state, run)
  log.add(eventOf(run))
  return await log.close()
}

/** A state directory with a log of one run, and the policy of one witness that knows it. */
class WitnessedState implements AsyncDisposable {
  readonly state: string
  /** Awaited before each answer. */
  beforeAnswer: (() => Promise<unknown>) | null = null
  /** In place of an answer. */
  isDown = false
  /** Old size of each request. */
  readonly asked: number[] = []
  readonly #scratch: string
  #witness: Witness | null = null
  #server: HttpServer | null = null

  private constructor(scratch: string) {
    this.#scratch = scratch
    this.state = join(scratch, 'state')
  }

  static async create(t: TestContext): Promise<WitnessedState> {
    const scratch = mkdtempSync(join(tmpdir(), 'sallyport-publication-'))
    t.after(() => rmSync(scratch, { recursive: true }))
    const made = new WitnessedState(scratch)
    await logRun(made.state, RUN)
    const { key } = await auditCommands.publish(made.state)
    await made.#serve(key)
    return made
  }

  async #serve(key: string): Promise<void> {
    const logs = [parseVerifierKey(key)]
    const witness = await Witness.open({ directory: join(this.#scratch, 'witness'), name: 'w.test', logs, onFork: () => undefined })
    this.#witness = witness
    const answer = witnessHandler(witness)
    const server = await HttpServer.start({
      address: '127.0.0.1',
      port: 0,
      onFailure: () => undefined,
      handle: async (request, signal) => {
        const body = await request.body(2 ** 20)
        this.asked.push(parseAddCheckpoint(body ?? new Uint8Array()).oldSize)
        await this.beforeAnswer?.()
        if (this.isDown) return textAnswer(403, 'gone\n')
        return answer(
          { method: request.method, path: request.path, header: (name) => request.header(name), body: async () => body },
          signal,
        )
      },
    })
    this.#server = server
    writeFileSync(join(this.state, 'audit-policy'), `witness w ${witness.verifierKey} ${server.url}/\nquorum w\n`)
  }

  /** Of what readers see; `cosigned` is when the witness has. */
  published(): { readonly size: number; readonly cosignedAt: number | null } {
    const note = parseNote(readFileSync(join(auditPlaces(this.state).log, 'log/checkpoint')))
    const verifier = cosignatureVerifier(parseVerifierKey(this.#witness?.verifierKey ?? ''))
    const isCosigned = note.signatures.some(({ name }) => name === 'w.test')
    const cosignedAt = isCosigned ? (openNote(note, [verifier])[0]?.timestampS ?? null) : null
    return { size: parseCheckpoint(note.text).size, cosignedAt }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]()
    await this.#witness?.[Symbol.asyncDispose]()
  }
}

test('while a witness is asked, others write to the log', async (t) => {
  await using witnessed = await WitnessedState.create(t)
  const { state } = witnessed
  let other: Promise<unknown> | null = null
  // It answers only when another run is in the log as a whole: held meanwhile, the log would keep that one out
  witnessed.beforeAnswer = async () => {
    other ??= logRun(state, '20261129-150000-000000')
    await other
  }
  const { size, witnesses } = await auditCommands.publish(state)
  assert.deepEqual([size, witnesses], [3, ['w']])
  assert.ok(witnessed.published().cosignedAt !== null)
  witnessed.beforeAnswer = null
  assert.equal((await auditCommands.publish(state)).size, 6)
  const { sound } = await auditCommands.verify(
    { stateDirectory: state, directory: null, key: null },
    {
      remember: null,
      policy: null,
      freshnessS: null,
      archives: null,
    },
  )
  assert.ok(sound)
})

test('an idle log is cosigned anew each time, by a witness that is asked from where it is', async (t) => {
  await using witnessed = await WitnessedState.create(t)
  const sizes = []
  for (let count = 0; count < 3; count += 1) sizes.push((await auditCommands.publish(witnessed.state)).size)
  assert.deepEqual(sizes, [3, 3, 3])
  // The first one does not know what the witness has; the others go on from the checkpoint that it has cosigned
  assert.deepEqual(
    witnessed.asked.filter((size, index, all) => size !== all[index - 1]),
    [0, 3],
  )
})

test('a witness that does not cosign keeps the log from being published, and the next one makes good', async (t) => {
  await using witnessed = await WitnessedState.create(t)
  const { state } = witnessed
  witnessed.isDown = true
  await logRun(state, '20261129-150000-000000')
  await assert.rejects(auditCommands.publish(state), { code: 'WITNESS_QUORUM_MISSED' })
  assert.deepEqual(witnessed.published(), { size: 3, cosignedAt: null })
  witnessed.isDown = false
  await auditCommands.publish(state)
  assert.equal(witnessed.published().size, 6)
})

test('publications take turns: what another one has published need not be published again, but for new cosignatures', async (t) => {
  await using witnessed = await WitnessedState.create(t)
  const { state } = witnessed
  const leases: Promise<unknown>[] = []
  witnessed.beforeAnswer = async () => {
    // They wait for the first, with nothing of their own
    leases.push(publishForLease(state), publishForLease(state))
  }
  await auditCommands.publish(state)
  assert.deepEqual(await Promise.all(leases), [null, null])
  assert.equal(witnessed.asked.length, 1)
  witnessed.beforeAnswer = null
  const turn = await lockExclusively(join(auditPlaces(state).log, 'publishing'), 0)
  const renewal = auditCommands.publish(state)
  await turn?.close()
  await renewal
  assert.equal(witnessed.asked.length, 2)
})

test('a log that is not there is not begun by publishing it; one that was removed is told as that', async (t) => {
  await using witnessed = await WitnessedState.create(t)
  const { state } = witnessed
  await assert.rejects(auditCommands.publish(join(state, 'other')), { code: 'AUDIT_LOG_NOT_FOUND' })
  rmSync(auditPlaces(state).log, { recursive: true })
  await assert.rejects(auditCommands.publish(state), { code: 'AUDIT_LOG_UNWRITABLE', details: { reason: 'LOG_ROLLED_BACK' } })
})

test('a run is told once, while it goes on, that too few witnesses cosign; its document says it of its end', async (t) => {
  await using witnessed = await WitnessedState.create(t)
  const { state } = witnessed
  witnessed.isDown = true
  // Ticks of a second, of which every fifth publishes
  t.mock.timers.enable({ apis: ['setInterval'] })
  await using log = new RunLog(state, '20261129-150000-000000')
  const told: string[] = []
  const first = Promise.withResolvers<void>()
  log.onQuorumMissed = (message) => {
    told.push(message)
    first.resolve()
  }
  log.add(eventOf(RUN))
  await assert.rejects(log.durable(1), { code: 'LEASE_UNWITNESSED' })
  assert.deepEqual(told, [])
  for (let interval = 0; interval < 2; interval += 1) {
    const asked = witnessed.asked.length
    t.mock.timers.tick(5000)
    await first.promise
    // Comes after what the tick has begun
    await assert.rejects(log.durable(1), { code: 'LEASE_UNWITNESSED' })
    assert.equal(witnessed.asked.length, asked + 2)
  }
  assert.equal(told.length, 1)
  assert.match(told[0] ?? '', /w: it does not know the key that has signed \(status 403: gone\)/)
  t.mock.timers.reset()
})
