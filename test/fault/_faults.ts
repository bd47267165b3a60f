// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { assertNothingLeft, isSlotFree, keepersOf } from '../_host.ts'
import { type Running, until, type World } from '../_world.ts'

/** A job that goes through every phase, leaves processes behind in its steps and then waits. */
export const LONG_JOB = `
  on: push
  jobs:
    one:
      runs-on: ubuntu-latest
      steps:
        - uses: actions/checkout@v4
        - run: |
            (setsid sleep 1000 &) ; (trap "" TERM HUP INT; setsid sleep 1001 &)
            dd if=/dev/zero of=$HOME/big bs=1M count=8 status=none
            echo ready
        - run: 'echo waiting; sleep 0.3'
        - run: 'test -e hold && sleep 1000 || true'
        - { if: always(), run: 'echo always ran' }
`

/** The job above that waits at its fourth step for ever. */
export function heldRepository(world: World): string {
  return world.workflow(LONG_JOB, { hold: '' })
}

/** Starts the held job; resolves once it waits. */
export async function startHeld(world: World, repository: string, args: readonly string[] = []): Promise<Running> {
  const running = world.start(['run', '--json', '--state', world.state, ...args], { cwd: repository })
  await reached(running, (event) => event.type === 'step.started' && event.step === '4')
  return running
}

interface SeenEvent {
  readonly type: string
  readonly step?: string
  readonly run: string
}

/** Waits for an event on the stdout of a run with `--json`. */
export async function reached(running: Running, matches: (event: SeenEvent) => boolean): Promise<SeenEvent> {
  let ended = false
  void running.result.then(() => {
    ended = true
  })
  return until('an event', () => {
    const found = eventsOf(running.output.stdout).find(matches)
    if (found === undefined && ended) throw new Error(`the run ended early: ${running.output.stdout.slice(-2000)}${running.output.stderr}`)
    return found
  })
}

function eventsOf(stdout: string): SeenEvent[] {
  const whole = stdout.slice(0, stdout.lastIndexOf('\n') + 1)
  return whole
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SeenEvent)
}

/** Kills, and holds the world to what is promised: within a second nothing of the job is left. */
export async function killAndExpectNothing(world: World, running: Running): Promise<void> {
  const slots = keepersOf(world).map(({ slot }) => slot)
  running.child.kill('SIGKILL')
  await running.result
  await assertNothingLeft(world)
  for (const slot of slots) assert.equal(isSlotFree(slot), true, `the id range ${slot} is still locked`)
}

export async function expectNextRunWorks(world: World): Promise<void> {
  const next = await world.exec(['true'])
  assert.equal(next.exitCode, 0, next.stderr)
  await assertNothingLeft(world)
}

export async function conclusionsOf(world: World): Promise<Record<string, string>> {
  const { stdout } = await world.run(['runs', 'ls', '--json'])
  return Object.fromEntries((JSON.parse(stdout) as { id: string; conclusion: string }[]).map(({ id, conclusion }) => [id, conclusion]))
}
