// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { assertCanEnforce, type DriverName, ociDriver, SANDBOX_PATHS } from '@sallyport/sandbox'
import type { EffectiveAccess } from '../access/contract.ts'
import { type ChosenIsolation, chooseIsolation } from '../admit/isolation.ts'
import { askedFor, effectiveLimits } from '../admit/limits.ts'
import { AgentError } from '../agent-error.ts'
import type { ExecOptions, ExecResult, RunObserver } from '../contract.ts'
import { JobGate } from '../gate/job-gate.ts'
import { HOST_IMAGE, type JobImage } from '../images/job-image.ts'
import { type BegunSandbox, beginSandbox, prepareSandbox } from '../prepare/prepare-sandbox.ts'
import { EXEC_WORKSPACE } from './workspace.ts'

/** One command in the sandbox that jobs get, in a copy of a directory. */
export async function execCommand(options: ExecOptions, observer: RunObserver): Promise<ExecResult> {
  assertCanEnforce()
  assertWritable(options.write)
  assertCopyable(options.directory)
  // The gate takes longest to start: it does so before anybody knows, or has loaded what finds out, what it will let through.
  const loading = Promise.resolve().then(() => loadAccess(options))
  const early = beginEarly(options, loading)
  const admitting = loading.then(async (access) => ({
    access,
    limits: effectiveLimits({ ...access.limits, ...options.limits }, access.limitsMax),
    askedLimits: askedFor(access.limits, options.limits, access.limitsMax),
    isolation: await chooseIsolation({ option: options.isolation, access, stateDirectory: options.stateDirectory }),
  }))
  const { access, limits, askedLimits, isolation } = await admitting.catch((error: unknown) => abandon(early, error))
  const { gate, begun } = await beginAs(isolation, early, options, loading)
  // The rest of the program is loaded and the record opened while the kernel and the runtime work.
  const waiting = Promise.withResolvers<void>()
  const preparing = prepareSandbox({
    ...options,
    isolation,
    limits,
    askedLimits,
    gate,
    begun,
    image: execImage(options, access),
    id: `exec-${randomBytes(4).toString('hex')}`,
    directories: [SANDBOX_PATHS.work, EXEC_WORKSPACE],
    signal: options.interrupt.soft,
    onWaiting: waiting.resolve,
  })
  await Promise.race([waiting.promise, preparing.catch(ignoreUntilAwaited)])
  const { execute } = await import('./execution.ts')
  return execute({ options, observer, limits, access, isolation, gate }, preparing)
}

/** Whoever gives the command names its image: no repository has a say. */
async function execImage({ image, stateDirectory, interrupt }: ExecOptions, { images, setsFor }: EffectiveAccess): Promise<JobImage> {
  if (image === null || image === 'host') return HOST_IMAGE
  const { JobImages } = await import('../images/job-images.ts')
  const wanted = { kind: 'reference', reference: image, by: 'option', credentials: null } as const
  return new JobImages(stateDirectory, images).resolve({ wanted, sets: setsFor('', null), signal: interrupt.soft })
}

async function loadAccess({ egress, stateDirectory }: ExecOptions): Promise<EffectiveAccess> {
  const { loadEffectiveAccess } = await import('../access/load-access.ts')
  return loadEffectiveAccess({ egress, repository: null, base: null, plans: null, stateDirectory })
}

interface Early {
  readonly gate: JobGate
  readonly driver: DriverName
  readonly begun: Promise<BegunSandbox>
}

function begin(isolation: Pick<ChosenIsolation, 'driver' | 'runsc'>, options: ExecOptions, access: Promise<EffectiveAccess>): Early {
  const gate = new JobGate(access)
  const begun = beginSandbox({ ...options, isolation, gate, signal: options.interrupt.soft })
  begun.catch(ignoreUntilAwaited)
  return { gate, driver: isolation.driver, begun }
}

/** With the driver that it will most likely be; null where that is to be found out. */
function beginEarly(options: ExecOptions, access: Promise<EffectiveAccess>): Early | null {
  const { isolation } = options
  if (isolation === 'auto' || isolation === 'gvisor') return null
  return begin({ driver: isolation === null || isolation === 'oci' ? ociDriver() : isolation, runsc: undefined }, options, access)
}

async function beginAs(
  isolation: ChosenIsolation,
  early: Early | null,
  options: ExecOptions,
  access: Promise<EffectiveAccess>,
): Promise<Early> {
  if (early?.driver === isolation.driver) return early
  await dispose(early)
  return begin(isolation, options, access)
}

async function dispose(early: Early | null): Promise<void> {
  await early?.begun.then(({ beginning }) => beginning[Symbol.asyncDispose](), ignoreUntilAwaited)
}

async function abandon(early: Early | null, reason: unknown): Promise<never> {
  await dispose(early)
  throw reason
}

function ignoreUntilAwaited(): void {
  // Of the sandbox: `execute` awaits the same promise and reports its failure. Of a beginning without access: that is the reason which counts.
}

/** @throws AgentError REPOSITORY_UNREADABLE for what is no project but the host itself. */
function assertCopyable(directory: string): void {
  if (!['/', '/proc', '/sys', '/dev', '/run'].includes(directory)) return
  throw new AgentError('REPOSITORY_UNREADABLE', `Cannot copy "${directory}": it is the host itself`, {
    hint: 'Change to the directory that the command needs, or to an empty one',
  })
}

/** Before anything starts. @throws AgentError WRITE_REFUSED. */
function assertWritable(paths: readonly string[]): void {
  for (const path of paths) {
    if (path.startsWith('/') || path.split('/').includes('..'))
      throw new AgentError('WRITE_REFUSED', `Cannot keep "${path}": --write takes a path inside the current directory`)
    if (path === '.git' || path.startsWith('.git/'))
      throw new AgentError('WRITE_REFUSED', 'Cannot keep ".git": hooks and configuration in it would run on this host')
  }
}
