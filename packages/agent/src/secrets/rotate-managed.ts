// SPDX-License-Identifier: Apache-2.0
// `sallyport secrets rotate PROVIDER:PATH`: the broker asks the manager, with its own credential; nothing is asked that is not on record.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { OperatorFile, RotationEntry } from '@sallyport/access'
import { messageOf, SallyportError } from '@sallyport/core'
import {
  type AddressAt,
  abandonAtManager,
  BROKER_JOB,
  type BrokerClient,
  type BrokerEvent,
  type BrokerObserver,
  isRotationPending,
  type OwnJob,
  protectProcess,
  type Read,
  type RotationRecipe,
  rotateAtManager,
  runHook,
  startBroker,
  titleOf,
} from '@sallyport/secrets'
import { loadOperator } from '../access/load-operator.ts'
import type { OperatorLog } from '../audit/contract.ts'
import { openOperatorLog } from '../audit/operator-log.ts'
import type { ManagedOutcome, ManagedRotation, ManagedSecret, ScheduledSecret } from './contract.ts'
import { leaseDirectory } from './lease-directory.ts'
import { unknownProvider } from './manager-audit.ts'
import { providersOf, STORE } from './providers.ts'

/** A function that rotates runs for so long at most: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. */
const NATIVE_MS = 15 * 60_000
/** The old value is read once. */
const READ_MS = 5 * 60_000
const JOB = 'rotate'

/** Who reads with the broker's own credential, in whatever rotation. */
const BROKER: OwnJob = { run: BROKER_JOB, job: BROKER_JOB }

const directoryOf = (stateDirectory: string): string => join(stateDirectory, 'rotations')

export async function rotateManaged(stateDirectory: string, request: ManagedRotation): Promise<ManagedOutcome> {
  protectProcess()
  const operator = await loadOperator(request.operatorFile)
  const place = placeOf(request.secret)
  assertKnown(operator, place.provider)
  const log = openOperatorLog(stateDirectory)
  try {
    const outcome = await rotateOnRecord({ stateDirectory, operator, place, log }, request)
    await log.close()
    return outcome
  } catch (error) {
    const code = error instanceof SallyportError ? error.code : 'INTERNAL'
    await log.record('secret.failed', { secrets: [titleOf(place)], code })
    await log.close()
    throw error
  }
}

interface Rotating {
  readonly stateDirectory: string
  readonly operator: OperatorFile | null
  readonly place: AddressAt
  readonly log: OperatorLog
}

async function rotateOnRecord({ stateDirectory, operator, place, log }: Rotating, request: ManagedRotation): Promise<ManagedOutcome> {
  const about = { secrets: [titleOf(place)], provider: place.provider, path: place.address.path }
  const announce = (phase: string | null): Promise<void> => log.record('secret.rotation', { ...about, phase: phase ?? 'ended' })
  const parts = { directory: directoryOf(stateDirectory), place, announce }
  if (request.abandon) return { abandoned: await abandonAtManager(parts) }
  const run = newRun()
  const marks = new RecordedMarks(log, run)
  await using broker = await startBroker(brokerConfig(operator, stateDirectory, run), marks)
  const recordRead = (by: OwnJob): Promise<void> => log.record('secret.read', { ...about, name: titleOf(place), ...by })
  const read = async (): Promise<Read> => {
    await recordRead({ run, job: JOB })
    const value = await readAsJob(broker, run, place)
    await marks.recorded()
    return value
  }
  const recipe = request.recipe ?? recipeOf(operator, place)
  const asked: Pick<BrokerClient, 'look' | 'rotate' | 'replace'> = {
    look: (at) => broker.look(at),
    rotate: (at, id) => broker.rotate(at, id),
    // It looks at what is there before it writes
    replace: async (at, replacement) => {
      await recordRead(BROKER)
      return broker.replace(at, replacement)
    },
  }
  const outcome = await rotateAtManager({ ...parts, broker: asked, read, runHook, report: request.report, waitMs: NATIVE_MS }, recipe)
  await marks.recorded()
  return outcome
}

const newRun = (): string => `rotate-${randomBytes(4).toString('hex')}`

/** What the manager's own audit log shows of us, each mark once. */
class RecordedMarks implements BrokerObserver {
  readonly #log: OperatorLog
  readonly #run: string
  readonly #known = new Set<string>()
  #recorded: Promise<void> = Promise.resolve()

  constructor(log: OperatorLog, run: string) {
    this.#log = log
    this.#run = run
  }

  event(event: BrokerEvent): void {
    if (event.kind !== 'session' || this.#known.has(event.mark)) return
    this.#known.add(event.mark)
    const { job, provider, mark } = event
    const run = job === BROKER_JOB ? BROKER.run : this.#run
    this.#recorded = this.#recorded.then(() => this.#log.record('secret.session', { run, job, provider, mark }))
    // Whoever waits for it is told
    this.#recorded.catch(() => undefined)
  }

  recorded(): Promise<void> {
    return this.#recorded
  }
}

async function readAsJob(broker: BrokerClient, run: string, { provider, address }: AddressAt): Promise<Read> {
  await broker.openJob(JOB, { run, job: JOB, repository: null, ref: null }, READ_MS)
  try {
    return await broker.read({ job: JOB, step: '', provider, address, token: null })
  } finally {
    await broker.endJob(JOB)
  }
}

export async function scheduled(stateDirectory: string, operatorFile: string | null, nowMs: number): Promise<readonly ScheduledSecret[]> {
  const operator = await loadOperator(operatorFile)
  if (operator === null || operator.rotation.length === 0) return []
  const run = newRun()
  const log = openOperatorLog(stateDirectory)
  const marks = new RecordedMarks(log, run)
  await using broker = await startBroker(brokerConfig(operator, stateDirectory, run), marks)
  const found: ScheduledSecret[] = []
  for (const entry of operator.rotation) found.push(await look(broker, entry, { stateDirectory, nowMs }))
  await marks.recorded()
  await log.close()
  return found
}

async function look(
  broker: BrokerClient,
  { provider, path, field, everyMs }: RotationEntry,
  { stateDirectory, nowMs }: { stateDirectory: string; nowMs: number },
): Promise<ScheduledSecret> {
  const secret = { provider, path, field }
  const place = placeOf(secret)
  const isPending = isRotationPending(directoryOf(stateDirectory), place)
  const about = { name: titleOf(place), secret, everyMs, isPending }
  try {
    const { version, createdAtMs } = await broker.look(place)
    const since = createdAtMs === null ? null : new Date(createdAtMs).toISOString()
    return { ...about, version, since, overdue: createdAtMs !== null && nowMs - createdAtMs > everyMs, error: null }
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error
    return { ...about, version: null, since: null, overdue: false, error: messageOf(error) }
  }
}

function brokerConfig(operator: OperatorFile | null, stateDirectory: string, run: string): Parameters<typeof startBroker>[0] {
  return { providers: providersOf(operator, stateDirectory), leaseDirectory: leaseDirectory(stateDirectory), run }
}

function placeOf({ provider, path, field }: ManagedSecret): AddressAt {
  return { provider, address: { path, field, version: null, parameters: {} } }
}

/** @throws AgentError SECRET_PROVIDER_UNKNOWN; the embedded store is no manager */
function assertKnown(operator: OperatorFile | null, name: string): void {
  if (name === STORE || operator?.providers.some((provider) => provider.name === name) !== true) throw unknownProvider(name)
}

/** Null: the operator's file says nothing of how. */
function recipeOf(operator: OperatorFile | null, { provider, address }: AddressAt): RotationRecipe | null {
  const entry = operator?.rotation.find((each) => each.provider === provider && each.path === address.path && each.field === address.field)
  if (entry === undefined || (entry.hook === null && entry.generate === null)) return null
  return { hook: entry.hook, generate: entry.generate, field: null }
}
