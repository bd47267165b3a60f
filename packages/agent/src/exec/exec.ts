// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { assertCanEnforce, SANDBOX_PATHS } from '@sallyport/sandbox'
import type { EffectiveAccess } from '../access/contract.ts'
import { effectiveLimits } from '../admit/limits.ts'
import { AgentError } from '../agent-error.ts'
import type { ExecOptions, ExecResult, RunObserver } from '../contract.ts'
import { JobGate } from '../gate/job-gate.ts'
import { type BegunSandbox, beginSandbox, prepareSandbox } from '../prepare/prepare-sandbox.ts'
import { EXEC_WORKSPACE } from './workspace.ts'

/** One command in the sandbox that jobs get, in a copy of a directory. */
export async function execCommand(options: ExecOptions, observer: RunObserver): Promise<ExecResult> {
  assertCanEnforce()
  assertWritable(options.write)
  assertCopyable(options.directory)
  // The gate takes longest to start: it does so before anybody knows, or has loaded what finds out, what it will let through.
  const loading = Promise.resolve().then(() => loadAccess(options))
  const gate = new JobGate(loading)
  const begun = beginSandbox({ ...options, gate, signal: options.interrupt.soft })
  begun.catch(ignoreUntilAwaited)
  const admitting = loading.then((access) => ({
    access,
    limits: effectiveLimits({ ...access.limits, ...options.limits }, access.limitsMax),
  }))
  const { access, limits } = await admitting.catch((error: unknown) => abandon(begun, error))
  // The rest of the program is loaded and the record opened while the kernel and the runtime work.
  const waiting = Promise.withResolvers<void>()
  const preparing = prepareSandbox({
    ...options,
    limits,
    gate,
    begun,
    id: `exec-${randomBytes(4).toString('hex')}`,
    directories: [SANDBOX_PATHS.work, EXEC_WORKSPACE],
    signal: options.interrupt.soft,
    onWaiting: waiting.resolve,
  })
  await Promise.race([waiting.promise, preparing.catch(ignoreUntilAwaited)])
  const { execute } = await import('./execution.ts')
  return execute({ options, observer, limits, access, gate }, preparing)
}

async function loadAccess({ egress, stateDirectory }: ExecOptions): Promise<EffectiveAccess> {
  const { loadEffectiveAccess } = await import('../access/load-access.ts')
  return loadEffectiveAccess({ egress, repository: null, base: null, plans: null, stateDirectory })
}

async function abandon(begun: Promise<BegunSandbox>, reason: unknown): Promise<never> {
  await begun.then(({ beginning }) => beginning[Symbol.asyncDispose](), ignoreUntilAwaited)
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
export function assertWritable(paths: readonly string[]): void {
  for (const path of paths) {
    if (path.startsWith('/') || path.split('/').includes('..'))
      throw new AgentError('WRITE_REFUSED', `Cannot keep "${path}": --write takes a path inside the current directory`)
    if (path === '.git' || path.startsWith('.git/'))
      throw new AgentError('WRITE_REFUSED', 'Cannot keep ".git": hooks and configuration in it would run on this host')
  }
}
