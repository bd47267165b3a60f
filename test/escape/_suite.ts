// SPDX-License-Identifier: Apache-2.0
// How an escape test is written: what must never happen, a probe that tries it, and the walls that stop it. Every probe runs against the
// sandbox as the product builds it, where it must be refused, and against one without those walls, where it must get through: a
// probe that can not get through proves nothing. All of it happens in a disposable box (packages/testkit/src/walls).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sandbox, SandboxSpec } from '@sallyport/sandbox'
import { obstacleOf, type PlantName, runAgainInDisposableBox, runAttacks, type WallName, withSandbox } from '@sallyport/testkit'

export interface Finding {
  readonly outcome: 'got' | 'refused'
  /** Name of the errno; null when the refusal was not the kernel's. */
  readonly error: string | null
  readonly detail: string
}

export interface Escape {
  /** What must not happen, as the end of "it never happens that …". */
  readonly never: string
  /** An attack program by its id (packages/testkit/src/attacks), or a probe of its own. */
  readonly probe: string | ((sandbox: Sandbox) => Promise<Finding>)
  /** With all walls; null when it is not the kernel that refuses. */
  readonly error: string | null
  /**
   * Each is one way through: the walls that have to be gone together. When there is more than one wall in it, any one of them is
   * enough: that is tested too.
   */
  readonly without: readonly (readonly WallName[])[]
  /** Why no wall is taken out: then only the refusal is tested, and the matrix says so. */
  readonly only?: string
  /** What a kernel without the feature answers: then the half without walls is skipped, with this reason. */
  readonly absent?: Readonly<Record<string, string>>
  /** Rows of the list of attacks (docs/wall-matrix.md). */
  readonly rows: readonly number[]
  readonly env?: Readonly<Record<string, string>>
  readonly spec?: Partial<SandboxSpec>
  readonly plants?: readonly PlantName[]
  /** Default: runc's. */
  readonly driver?: 'gvisor'
}

/** scripts/wall-matrix.ts asks a file what it tests, without testing. */
const isListing = process.env['ESCAPE_LIST'] === '1'

export async function inDisposableBox(): Promise<void> {
  if (isListing) return
  const code = await runAgainInDisposableBox()
  if (code !== null) process.exit(code)
}

/** What one test says about itself. */
export type Listed = Pick<Escape, 'never' | 'rows' | 'without' | 'only' | 'driver'>

let listed: Listed[] = []

/** What the files that were imported since the last call test. */
export function takeListed(): readonly Listed[] {
  const taken = listed
  listed = []
  return taken
}

/** Of another driver than runc, which every machine of the suite has: a test is skipped with the reason, which `make test-servers` takes away. */
let known: Promise<string | null> | null = null
async function missing(driver: Escape['driver']): Promise<string | false> {
  if (driver === undefined) return false
  known ??= obstacleOf(driver)
  const reason = await known
  return reason === null ? false : `${driver}: ${reason}`
}

export function escape(attack: Escape): void {
  if (isListing) return list(attack)
  test(`it never happens that ${attack.never}`, async (t) => {
    const absent = await missing(attack.driver)
    if (absent !== false) return t.skip(absent)
    const finding = await tryIt(attack, [])
    assert.deepEqual([finding.outcome, finding.error], ['refused', attack.error], finding.detail)
  })
  for (const walls of attack.without) {
    for (const wall of walls.length > 1 ? walls : []) {
      const others = walls.filter((other) => other !== wall)
      test(`"${wall}" is enough without "${others.join('", "')}": it never happens that ${attack.never}`, async () => {
        const finding = await tryIt(attack, others)
        assert.equal(finding.outcome, 'refused', finding.detail)
      })
    }
    test(`without "${walls.join('", "')}" it happens that ${attack.never}`, async (t) => {
      const absent = await missing(attack.driver)
      if (absent !== false) return t.skip(absent)
      const finding = await tryIt(attack, walls)
      const lacking = finding.error === null ? undefined : attack.absent?.[finding.error]
      if (lacking !== undefined) return t.skip(`${lacking} (${finding.error})`)
      assert.equal(finding.outcome, 'got', `${finding.error}: ${finding.detail}`)
    })
  }
}

export interface Behaviour {
  readonly name: string
  readonly rows: readonly number[]
  /** The walls that are out in it. */
  readonly without?: readonly (readonly WallName[])[]
  readonly driver?: 'gvisor'
}

/** A test of another form, in the same box and the same matrix. */
export function behaviour({ name, rows, without = [], driver }: Behaviour, run: () => Promise<void>): void {
  if (isListing) return list({ never: name, rows, without, ...(driver === undefined ? {} : { driver }) })
  test(name, async (t) => {
    const absent = await missing(driver)
    if (absent !== false) return t.skip(absent)
    await run()
  })
}

function list({ never, rows, without, only, driver }: Listed): void {
  listed.push({ never, rows, without, ...(only === undefined ? {} : { only }), ...(driver === undefined ? {} : { driver }) })
}

async function tryIt(attack: Escape, without: readonly WallName[]): Promise<Finding> {
  const { probe, env, spec, plants, driver } = attack
  return withSandbox(
    {
      without,
      ...(driver === undefined ? {} : { driver }),
      ...(spec === undefined ? {} : { spec }),
      ...(plants === undefined ? {} : { plants }),
    },
    async (sandbox) => {
      if (typeof probe !== 'string') return probe(sandbox)
      const attempt = (await runAttacks(sandbox, [probe], env)).find(({ id }) => id === probe)
      assert.ok(attempt !== undefined && attempt.outcome !== 'started', `${probe} told nothing`)
      return { outcome: attempt.outcome, error: attempt.error, detail: attempt.detail }
    },
  )
}

/** What a script printed, as a finding: `got …`, or `refused …` with the errno's usual words in it. */
export function findingOf(output: string, didGet: boolean): Finding {
  const error = Object.entries(WORDS).find(([, words]) => output.includes(words))?.[0] ?? null
  return { outcome: didGet ? 'got' : 'refused', error: didGet ? null : error, detail: output.trim().slice(-500) }
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  ENOENT: 'No such file',
  ENOSPC: 'No space left on device',
}
