// SPDX-License-Identifier: Apache-2.0
// Secrets wait for witnesses: three real ones, each a process of its own, of which two have to cosign.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  cosignatureSigner,
  evaluatePolicy,
  formatVerifierKey,
  type PolicyDecision,
  parseCheckpoint,
  parseNote,
  parsePolicy,
} from '@sallyport/audit-log'
import { type Result, until, World } from '../_world.ts'

const SECRET = 'hand-over-4711'
const NAMES = ['w1', 'w2', 'w3'] as const

const world = new World()
const policyFile = join(world.state, 'audit-policy')
const leasePolicyFile = join(world.state, 'lease-policy')

interface Address {
  readonly url: string
  readonly verifierKey: string
}

/** `audit witness` with a state directory of its own, which a later process finds again. */
class WitnessProcess {
  readonly #name: string
  #child: ChildProcess | null = null
  #result: Promise<Result> | null = null
  #port = 0

  constructor(name: string) {
    this.#name = name
  }

  async start(config: string): Promise<Address> {
    const state = join(world.directory, this.#name)
    const listen = `127.0.0.1:${this.#port}`
    const options = ['--config', config, '--name', `${this.#name}.example.test`, '--listen', listen, '--state', state, '--json']
    const { child, result, output } = world.start(['audit', 'witness', ...options], { timeLimitMs: 240_000 })
    this.#child = child
    this.#result = result
    const address = JSON.parse(await until('a witness', () => output.stdout.endsWith('\n') && output.stdout)) as Address
    this.#port = Number(new URL(address.url).port)
    return address
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null) return
    child.kill('SIGTERM')
    const result = await this.#result
    assert.equal(result?.exitCode, 0, result?.stderr)
  }
}

const witnesses = NAMES.map((name) => new WitnessProcess(name))
let config = ''
let logKey = ''

/** 2 of 3; for the log's key, so that it does for verifiers, too. */
function policyText(addresses: readonly Address[], key: string): string {
  const lines = addresses.map(({ url, verifierKey }, index) => `witness ${NAMES[index]} ${verifierKey} ${url}`)
  return [...(key === '' ? [] : [`log ${key}`]), ...lines, `group two 2 ${NAMES.join(' ')}`, 'quorum two', ''].join('\n')
}

/** Nobody listens there. */
function nobody(name: string): Address {
  const { key } = cosignatureSigner(`${name}.example.test`, generateKeyPairSync('ed25519').privateKey)
  return { url: 'http://127.0.0.1:1', verifierKey: formatVerifierKey(key) }
}

function handOver() {
  return world.exec(['sh', '-c', 'echo "started ${TOKEN}"'], ['--secret', 'TOKEN'], { env: { TOKEN: SECRET } })
}

function published(): { readonly decision: PolicyDecision; readonly size: number } {
  const note = parseNote(readFileSync(join(world.state, 'audit/log/checkpoint')))
  return { decision: evaluatePolicy(parsePolicy(readFileSync(policyFile)), note), size: parseCheckpoint(note.text).size }
}

async function assertHandedOver(witnessed: readonly string[]): Promise<void> {
  const { document, stderr } = await handOver()
  assert.equal(document.exitCode, 0, JSON.stringify(document.error) + stderr)
  const { decision, size } = published()
  assert.ok(decision.isAccepted)
  assert.deepEqual(
    decision.witnesses.map(({ name }) => name).filter((name) => !witnessed.includes(name)),
    [],
  )
  assert.ok(decision.witnesses.length >= 2)
  // What the run began with; its end is for whoever publishes next
  assert.ok(document.log !== null && size > document.log.first)
}

async function assertNotStarted(code: string, message: RegExp): Promise<string> {
  const { document, stdout, stderr, exitCode } = await handOver()
  assert.equal(exitCode, 125, stderr)
  assert.equal(document.error?.code, code)
  assert.match(document.error?.message ?? '', message)
  assert.doesNotMatch(stdout + stderr, /started/)
  return document.error?.hint ?? ''
}

describe('a secret of a log with a policy of two out of three witnesses', () => {
  before(async () => {
    // The state directory has to be there for its policy
    assert.equal((await world.exec(['true'])).document.exitCode, 0)
  })
  after(async () => {
    for (const witness of witnesses) await witness.stop()
    await world[Symbol.asyncDispose]()
  })

  test('is not handed over while no witness answers, and the error says what a witness has to know', async () => {
    writeFileSync(policyFile, policyText(NAMES.map(nobody), ''))
    const hint = await assertNotStarted(
      'LEASE_UNWITNESSED',
      /the guarantee that their hand-over is witnessed first does not hold: .*0 witnesses have cosigned.*w1: Cannot ask/,
    )
    logKey = /log (\S+)$/.exec(hint)?.[1] ?? ''
    config = join(world.directory, 'logs.txt')
    writeFileSync(config, `log ${logKey}\nquorum none\n`)
  })

  test('is handed over when two have cosigned its record', async () => {
    const addresses = []
    for (const witness of witnesses) addresses.push(await witness.start(config))
    writeFileSync(policyFile, policyText(addresses, logKey))
    await assertHandedOver(NAMES)
    await witnesses[0]?.stop()
    await assertHandedOver(['w2', 'w3'])
  })

  test('is not handed over when one has; steps without secrets run, and publish nothing unwitnessed', async () => {
    await witnesses[1]?.stop()
    const before = published()
    await assertNotStarted('LEASE_UNWITNESSED', /1 witnesses have cosigned, .* w[12]: Cannot ask/)
    const repository = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - run: echo begun
            - run: echo "started $TOKEN"
              env:
                TOKEN: \${{ secrets.TOKEN }}
    `)
    const run = await world.runJson(repository, ['--secret', 'TOKEN'], { env: { TOKEN: SECRET } })
    assert.equal(run.exitCode, 5, run.why)
    assert.equal(run.document.error?.code, 'LEASE_UNWITNESSED')
    assert.match(run.output('one', '1'), /begun/)
    assert.ok(!run.events.some(({ type, step }) => type === 'step.log' && step === '2'))
    assert.equal(published().size, before.size)
  })

  test('is handed over without them where the lease policy says so, and after they are back', async () => {
    writeFileSync(leasePolicyFile, 'quorum none\n')
    assert.equal((await handOver()).document.exitCode, 0)
    rmSync(leasePolicyFile)
    await witnesses[1]?.start(config)
    await assertHandedOver(['w2', 'w3'])
  })

  test('is not handed over when the policy is none', async () => {
    writeFileSync(policyFile, 'witness w1\n')
    await assertNotStarted('AUDIT_POLICY_INVALID', /audit-policy": .* \(line 1\)/)
  })
})
