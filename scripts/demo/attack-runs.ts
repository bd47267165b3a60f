// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunDocument } from '@sallyport/agent'
import { type Attempt, copyExample, exampleNamed, parseAttempts, runInPlainBox } from '@sallyport/testkit'
import { type Forgery, forgeRecord } from './forgery.ts'
import { documentOf, OFFLINE, sallyport } from './sallyport.ts'
import { secretForms } from './secret-forms.ts'

export type Attempts = ReadonlyMap<string, Attempt>

export interface AttackRun {
  readonly attempts: Attempts
  readonly exitCode: number
  /** The whole log, for whoever wants to see why. */
  readonly log: string
  /** Ways out that the gate refused, and why. */
  readonly refused: RunDocument['doors']['refused']
  /** Null where nobody keeps a log. */
  readonly forgery: Forgery | null
}

/** What one demonstration plants; all of it is random and worthless. */
export interface Plant {
  readonly secret: string
  readonly nonce: string
}

export function makePlant(): Plant {
  const random = randomBytes(12).toString('base64url')
  // Signs that differ in every encoding, so that each form is a form of its own.
  return { secret: `demo-${random}+/"quoted" & 100%\\~`, nonce: `sallyport-canary-${randomBytes(6).toString('hex')}` }
}

const EXAMPLE = 'hostile-dependency'
const MIB = 2 ** 20

/** The bounds in the example's workflow; the plain box has room for all of them. */
const BOUNDS = {
  ATTACK_PIDS: '200',
  ATTACK_MEMORY_BYTES: String(384 * MIB),
  ATTACK_DISK_BYTES: String(384 * MIB),
  ATTACK_INODES: '12000',
  ATTACK_DESCRIPTORS: '4096',
  ATTACK_OUTLIVE_SECONDS: '30',
}

function targets({ nonce }: Plant): Record<string, string> {
  return { ATTACK_CANARY_FILE: `/var/lib/${nonce}`, ATTACK_ABSTRACT_SOCKET: nonce, ATTACK_NONCE: nonce }
}

/** In two boxes: the tantrum at the end kills even the runner, and with it whoever would tell of the rest. */
export async function attackInPlainBox(plant: Plant): Promise<AttackRun> {
  using copy = copyExample(EXAMPLE)
  const common = {
    binds: { project: copy.directory, runner: import.meta.dirname },
    plant: { secret: plant.secret },
    timeoutMs: 60_000,
    memoryBytes: 1536 * MIB,
    diskBytes: 640 * MIB,
    env: { ...BOUNDS, ...targets(plant), PLAIN_SECRET: plant.secret },
  }
  const job = await runInPlainBox({ ...common, program: ['/bin/sh', '/tmp/runner/plain-runner.sh'] })
  const tantrum = await runInPlainBox({ ...common, program: ['/bin/sh', '/tmp/project/vendor/tidy-columns/hook/on-uninstall.sh'] })
  const attempts = byId([...parseAttempts(job.stdout), ...secretAttempts(job.stdout, plant.secret)])
  rename(attempts, parseAttempts(job.stdout), 'plain-outlive', 'daemonize-outlive')
  rename(attempts, parseAttempts(tantrum.stdout), 'plain-kill-runner', 'kill-everyone')
  return { attempts, exitCode: job.exitCode, log: job.stdout + tantrum.stdout, refused: [], forgery: null }
}

export async function attackInSallyport(plant: Plant): Promise<AttackRun> {
  const example = exampleNamed(EXAMPLE)
  const state = mkdtempSync(join(tmpdir(), 'sallyport-attack-'))
  using copy = copyExample(EXAMPLE)
  const host = await plantOnHost(plant)
  try {
    const call = {
      directory: copy.directory,
      environment: { DEPLOY_TOKEN: plant.secret },
      show: false,
      timeoutMs: 4 * 60_000,
      within: OFFLINE,
    }
    const settings = Object.entries(targets(plant)).flatMap(([name, value]) => ['--env', `${name}=${value}`])
    const run = await sallyport({ ...call, arguments: ['run', '--json', '--state', state, ...example.arguments, ...settings] })
    const survivors = processesNaming(plant.nonce)
    const { id, doors } = documentOf(run.output)
    const { output: log } = await sallyport({ ...call, arguments: ['runs', 'log', id, '--state', state] })
    // The events are a sink too: what they hold counts as printed.
    const attempts = byId([...parseAttempts(log), ...secretAttempts(log + run.output, plant.secret), outliveAttempt(survivors)])
    const forgery = await forgeRecord(state, () => sallyport({ ...call, arguments: ['audit', 'verify', '--state', state] }))
    return { attempts, exitCode: run.exitCode, log, refused: doors.refused, forgery }
  } finally {
    host.close()
    rmSync(`/var/lib/${plant.nonce}`, { force: true })
    rmSync(state, { recursive: true, force: true })
  }
}

/** What the attempts reach for outside: a file of the host, and a socket in the abstract namespace of its network. */
async function plantOnHost({ nonce }: Plant): Promise<Server> {
  writeFileSync(`/var/lib/${nonce}`, 'canary of the host\n', { mode: 0o600 })
  const server = createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 200 OK\r\n\r\n'))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(`\0${nonce}`, resolve))
  return server
}

function secretAttempts(log: string, secret: string): readonly Attempt[] {
  return Object.entries(secretForms(secret)).map(([id, form]) => {
    const printed = log.includes(form)
    return { id, outcome: printed ? 'got' : 'refused', error: null, detail: printed ? 'it stands in the log' : 'the log has no such text' }
  })
}

function processesNaming(nonce: string): number {
  const names = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  return names.filter((name) => commandLine(name).includes(nonce)).length
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // it ended meanwhile, which is all that is asked
  }
}

function outliveAttempt(survivors: number): Attempt {
  return survivors === 0
    ? { id: 'daemonize-outlive', outcome: 'refused', error: null, detail: 'no process of the job is left on the host' }
    : { id: 'daemonize-outlive', outcome: 'got', error: null, detail: `${survivors} processes of the job live on` }
}

/** The last word on an attempt counts: an observer outside speaks after the program itself. */
function byId(attempts: readonly Attempt[]): Map<string, Attempt> {
  return new Map(attempts.map((attempt) => [attempt.id, attempt]))
}

function rename(into: Map<string, Attempt>, from: readonly Attempt[], observed: string, id: string): void {
  const attempt = from.find((entry) => entry.id === observed)
  if (attempt !== undefined) into.set(id, { ...attempt, id })
}
