// SPDX-License-Identifier: Apache-2.0
// A small log in a state directory, and the commands of `audit` over it.
import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { auditPlaces } from '@sallyport/agent'
import { encodeEntry, formatVerifierKey, type LogEntry } from '@sallyport/audit-log'
import { startSigner } from '@sallyport/signer'
import { makePrivateDirectory, openTransparencyLog } from '@sallyport/store'
import { Command } from 'commander'
import type { FakeAgent } from '../_fake-agent.ts'
import { type FakeContext, fakeContext, makeTemporaryDirectory } from '../_harness.ts'
import type { Context } from '../context.ts'
import { exitCodeOf, reportError } from '../report-error.ts'

export const ORIGIN = 'ci.example.test/sallyport/0a1b2c3d'

export function makeState(t: TestContext): string {
  return join(makeTemporaryDirectory(t), 'state')
}

/** Appends and publishes entries `from` to `from + count - 1`. Answers with the log's verifier key. */
export async function publishEntries(state: string, count: number, from = 0): Promise<string> {
  const places = auditPlaces(state)
  await makePrivateDirectory(places.log)
  using signer = await startSigner(places.signer, ORIGIN)
  await using log = await openTransparencyLog(places.log, { signer, cosigner: null, lockWaitMs: 1000 })
  await log.append(Array.from({ length: count }, (_, index) => encodeEntry(entry(from + index + 1))))
  await log.publish()
  const [epoch] = await signer.epochs()
  if (epoch === undefined) throw new Error('a signer that has signed has a key')
  return formatVerifierKey(epoch.key)
}

function entry(seq: number): LogEntry {
  return { v: 1, at: '2026-11-29T12:00:00.000Z', source: 'run/r1', seq, type: 'step.log', data: { text: `line ${seq}\u001b[2J` } }
}

/** A command that is under way. */
export class RunningCommand {
  readonly ended: Promise<void>
  readonly #fake: FakeContext
  readonly #signals = new EventEmitter()

  constructor(register: (audit: Command, context: Context) => void, argv: readonly string[], directory = '/', agent?: FakeAgent) {
    this.#fake = fakeContext({ directory, ...(agent && { agent }) })
    const context: Context = Object.assign(this.#fake.context, { signals: this.#signals })
    const audit = new Command('audit').exitOverride().configureOutput({ writeErr: () => undefined })
    register(audit, context)
    this.ended = audit.parseAsync(argv, { from: 'user' }).then(
      () => undefined,
      (error: unknown) => {
        reportError(error, context, false)
        context.exitCode = exitCodeOf(error)
      },
    )
  }

  get exitCode(): number {
    return this.#fake.context.exitCode
  }

  get stdout(): string {
    return this.#fake.stdout.text
  }

  get stderr(): string {
    return this.#fake.stderr.text
  }

  /** Waits until it has printed one JSON document. */
  async document<T>(): Promise<T> {
    await this.until(() => this.stdout.endsWith('\n'), 'a document')
    return JSON.parse(this.stdout) as T
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    for (const deadline = performance.now() + 120_000; !holds(); await sleep(5))
      if (performance.now() > deadline) throw new Error(`waited too long for ${what}\n${this.stdout}${this.stderr}`)
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    this.#signals.emit(name)
    await this.ended
  }
}
