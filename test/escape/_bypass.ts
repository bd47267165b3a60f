// SPDX-License-Identifier: Apache-2.0
// How a test of the gate is written: a script that gets through to an origin when nothing is in its way, and must not when the same script is a job. Both
// happen in an internet that the test made, from which nothing can leave. Only what an origin saw counts, not what the script says.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import type { Doors } from '@sallyport/agent'
import { type Arrival, Internet } from '../_internet/internet.ts'
import { World, writeFiles } from '../_world.ts'
import { behaviour } from './_suite.ts'

const isListing = process.env['ESCAPE_LIST'] === '1'

export interface Attempt {
  /** Run by bash in a directory with these files, `ca.pem` and `key`, which ssh.test takes. */
  readonly script: string
  readonly files?: Readonly<Record<string, string>>
  /** Whether this arrival is the attempt's success. */
  readonly through: (arrival: Arrival) => boolean
  /** Doors that are open all the while, as `--allow`; default: web.test:443. */
  readonly allow?: readonly string[]
  /** Instead: rules with conditions, as the YAML list below `egress:` of sallyport.yml. */
  readonly rules?: string
}

export interface Bypass extends Attempt {
  /** What must not happen, as the end of "it never happens that …". */
  readonly never: string
  /** Rows of the list of attacks. */
  readonly rows: readonly number[]
  /** The reason that stands in the run's document; null where the kernel has nothing that could be refused. */
  readonly refusal: string | null
}

let internet: Internet | null = null
let world: World | null = null

async function places(): Promise<{ readonly internet: Internet; readonly world: World }> {
  internet ??= await Internet.start()
  world ??= new World()
  return { internet, world }
}

after(async () => {
  await internet?.[Symbol.asyncDispose]()
  await world?.[Symbol.asyncDispose]()
})

export function bypass(attack: Bypass): void {
  behaviour({ name: `it never happens that ${attack.never}`, rows: attack.rows }, async () => {
    if (isListing) return
    const { without, within, doors } = await tryBoth(attack)
    assert.notEqual(without.length, 0, 'the attack does not work without the gate either: it proves nothing')
    assert.deepEqual(within, [], 'it got through the gate')
    if (attack.refusal !== null) assertRefused(doors, attack.refusal)
  })
}

export interface KnownGap extends Attempt {
  /** What happens, as a sentence. */
  readonly happens: string
  /** How docs/egress.md begins to say so. */
  readonly said: string
}

/** What the gate does not stop, and the documentation says so: turns red when one of the two is no longer true. */
export function knownGap(gap: KnownGap): void {
  behaviour({ name: `known gap: ${gap.happens}`, rows: [] }, async () => {
    if (isListing) return
    const document = readFileSync(join(import.meta.dirname, '../../docs/egress.md'), 'utf8')
    assert.ok(document.includes(`- **${gap.said}**`), 'it is not documented')
    const { without, within } = await tryBoth(gap)
    assert.notEqual(without.length, 0, 'it does not work without the gate either: it proves nothing')
    assert.notEqual(within.length, 0, 'the gate stops it by now: say so in docs/egress.md, and make a bypass of it')
  })
}

interface Tried {
  readonly without: readonly Arrival[]
  readonly within: readonly Arrival[]
  readonly doors: Doors
}

async function tryBoth(attempt: Attempt): Promise<Tried> {
  const { internet, world } = await places()
  const directory = mkdtempSync(join(world.directory, 'bypass-'))
  const given = {
    'ca.pem': readFileSync(internet.certificates.authority, 'utf8'),
    key: readFileSync(join(internet.directory, 'ssh-client'), 'utf8'),
  }
  const files = { ...given, ...attempt.files }
  writeFiles(directory, files)
  const before = await internet.arrivals()
  await runPlain(internet, directory, attempt.script)
  const between = await internet.arrivals()
  const doors = await runInside({ ...attempt, files }, directory)
  const afterwards = await internet.arrivals()
  rmSync(directory, { recursive: true })
  return {
    without: newArrivals(before, between).filter(attempt.through),
    within: newArrivals(between, afterwards).filter(attempt.through),
    doors,
  }
}

/** Logs are appended to: what is new stands behind what was there, for each kind. */
function newArrivals(before: readonly Arrival[], now: readonly Arrival[]): readonly Arrival[] {
  const known = new Map<string, number>()
  for (const { kind } of before) known.set(kind, (known.get(kind) ?? 0) + 1)
  return now.filter(({ kind }) => {
    const left = known.get(kind) ?? 0
    known.set(kind, left - 1)
    return left <= 0
  })
}

const SCRIPT_ENVIRONMENT = { CURL_CA_BUNDLE: 'ca.pem' }

/** On a machine of this internet, with its name server, as root: nothing in the way. Its exit code says nothing. */
function runPlain(internet: Internet, cwd: string, script: string): Promise<void> {
  const [program = '', ...words] = [...internet.wrapResolving, 'timeout', '20', 'bash', '-c', script]
  const env = { PATH: process.env['PATH'] ?? '', HOME: cwd, ...SCRIPT_ENVIRONMENT }
  return new Promise((resolve) => {
    execFile(program, words, { cwd, env }, () => resolve())
  })
}

async function runInside(attack: Attempt, directory: string): Promise<Doors> {
  const { internet, world } = await places()
  const operator = ['--config', internet.operatorFile()]
  if (attack.rules !== undefined) return runWithRules(attack, directory, operator)
  const allow = (attack.allow ?? ['web.test:443']).flatMap((door) => ['--allow', door])
  const env = Object.entries(SCRIPT_ENVIRONMENT).flatMap(([name, value]) => ['--env', `${name}=${value}`])
  const result = await world.exec(['timeout', '20', 'bash', '-c', attack.script], [...operator, ...allow, ...env], {
    cwd: directory,
    wrap: internet.wrap,
  })
  assert.equal(result.document.error, null, result.stderr)
  return result.document.doors
}

async function runWithRules(attack: Attempt, directory: string, operator: readonly string[]): Promise<Doors> {
  const { internet, world } = await places()
  const access = join(directory, 'sallyport.yml')
  writeFileSync(access, `version: 1\negress:\n${attack.rules}\n`)
  const workflow =
    'on: push\njobs:\n  attack:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: timeout 20 bash attack.sh || true\n'
  const repository = world.workflow(workflow, { ...attack.files, 'attack.sh': attack.script })
  const run = await world.runJson(repository, ['--access', access, ...operator], { wrap: internet.wrap })
  assert.equal(run.exitCode, 0, run.why)
  return run.document.doors
}

function assertRefused({ refused }: Doors, code: string): void {
  assert.ok(
    refused.some((refusal) => refusal.code === code),
    `refused, but not as "${code}": ${JSON.stringify(refused)}`,
  )
}
