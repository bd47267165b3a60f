// SPDX-License-Identifier: Apache-2.0
// Every process of Sallyport is killed while a job has accounts that a manager made for it.
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SessionLease } from '@sallyport/agent'
import { kill, sandboxPids } from '../_host.ts'
import { type Running, until, type World } from '../_world.ts'

const WORKFLOW = `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - id: first
        env: { PASSWORD: '\${{ secrets.DB_PASSWORD }}' }
        run: test -n "$PASSWORD"
      - id: second
        env: { FILE: '\${{ secrets.DB_PASSWORD }}' }
        run: test -s "$FILE"; sleep 0.1
`
const ACCESS = `version: 1
jobs:
  build:
    steps:
      first: { secrets: { DB_PASSWORD: { deliver: env } } }
      second: { secrets: { DB_PASSWORD: { deliver: file } } }
secrets: { DB_PASSWORD: { from: manager, path: 'database/creds/ci#password' } }
`
/** Needs no secret itself. */
const EMPTY_WORKFLOW = `on: push\njobs: { build: { runs-on: ubuntu-latest, steps: [{ run: 'true' }] } }\n`

export class BrokerKill {
  readonly #world: World
  readonly #configuration: string
  readonly #repository: string
  readonly #empty: string

  /** `provider`: its settings in the operator's file, as YAML in one line. */
  constructor(world: World, provider: string) {
    this.#world = world
    this.#configuration = join(world.directory, 'operator.yml')
    writeFileSync(this.#configuration, `version: 1\nproviders: { manager: ${provider} }\n`, { mode: 0o600 })
    this.#repository = world.workflow(WORKFLOW, { 'sallyport.yml': ACCESS })
    this.#empty = world.workflow(EMPTY_WORKFLOW)
  }

  start(): Running {
    const words = ['run', '--json', '--state', this.#world.state, '--config', this.#configuration]
    return this.#world.start(words, { cwd: this.#repository })
  }

  /** Supervisor, broker, gate, keepers, minter, signer; the job's own processes end with their keeper's. */
  async killAll(running: Running): Promise<void> {
    const inside = new Set(sandboxPids(this.#world))
    const own = (): number[] => this.#world.marker.pids().filter((pid) => !inside.has(pid))
    running.child.kill('SIGKILL')
    await until('every process of Sallyport is gone', () => {
      const pids = own()
      for (const pid of pids) kill(pid, 'SIGKILL')
      return pids.length === 0
    })
    await running.result
  }

  /** Killed while something lives that was made for it. The job may be faster than whoever looks, seldom. */
  async killHolding(live: () => Promise<number>): Promise<void> {
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const running = this.start()
      for (let look = 0; look < 2000 && (await live()) === 0; look += 1) await sleep(5)
      await this.killAll(running)
      if ((await live()) > 0) return
      await this.nextRun()
    }
    throw new Error('nothing lived when it was killed')
  }

  /** Any run ends what was left, though it reads no secret. */
  async nextRun(): Promise<void> {
    const ran = await this.#world.runJson(this.#empty, ['--config', this.#configuration])
    if (ran.exitCode !== 0) throw new Error(ran.why)
  }

  async leases(...options: readonly string[]): Promise<{ readonly leases: readonly SessionLease[]; readonly swept: unknown }> {
    const { stdout, stderr, exitCode } = await this.#world.run(['secrets', 'leases', '--json', '--config', this.#configuration, ...options])
    if (exitCode !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  }

  get journals(): readonly string[] {
    return readdirSync(join(this.#world.state, 'leases'))
  }
}

/** What a manager has, beside what its own journal says. */
export interface Manager {
  /** Whether a broker asks it anything, since the last call with `reset`. */
  hasBeenAsked(): boolean
  forgetAsked(): void
  /** What lives that a run has made: leases, accounts, tokens that were used. */
  live(): Promise<number>
  /** After the next run: what the manager itself lost when it was cut off counts as live no more, where the manager does lose things. */
  setLostAside?(): Promise<void>
}

/** Kills at so many moments; after each the next run has to end all that lived on. Returns how much that was. */
export async function killAtMoments(points: number, runs: BrokerKill, manager: Manager, tell: (text: string) => void): Promise<number> {
  const before = performance.now()
  const whole = await runs.start().result
  assert.equal(whole.exitCode, 0, whole.stdout + whole.stderr)
  const wholeMs = performance.now() - before
  let left = 0
  for (let point = 0; point < points; point += 1) {
    manager.forgetAsked()
    const running = runs.start()
    // Every other one is counted from the broker's first question: a sample meets the work with the manager as often as what is before it.
    const fromStart = point % 2 === 0
    const delay = Math.round(Math.random() * wholeMs * (fromStart ? 1 : 0.5))
    await until('the moment from which is counted', () => fromStart || manager.hasBeenAsked())
    await sleep(delay)
    await runs.killAll(running)
    const live = await manager.live()
    const told = `killed ${delay} ms after ${fromStart ? 'the start' : 'the first question'}, ${live} lived on`
    left += live
    tell(told)
    await runs.nextRun()
    await manager.setLostAside?.()
    assert.deepEqual([await manager.live(), runs.journals], [0, []], told)
  }
  return left
}
