// SPDX-License-Identifier: Apache-2.0
import type { SessionLease } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addOperatorOption, fileOf } from '../options/egress.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { renderTable } from '../terminal/table.ts'

interface LeasesFlags {
  readonly sweep?: true
  readonly json?: true
  readonly state?: string
  readonly config?: string
}

export function registerLeases(secrets: Command, context: Context): void {
  const command = secrets
    .command('leases')
    .description('What jobs have at managers of secrets, as noted on disk. `abandoned`: its run was killed; the next run ends it.')
    .option('--sweep', 'end what is abandoned now; exit code 1 when something lives on')
    .option('--json', 'one JSON document')
  addOperatorOption(command)
  addStateOption(command)
  command.action((flags: LeasesFlags) => leases(flags, context))
}

async function leases(flags: LeasesFlags, context: Context): Promise<void> {
  const { config, stdout, stderr, workingDirectory } = context
  const state = stateDirectoryOf(flags, config.stateDirectory)
  const { secrets } = await context.loadAgent()
  const swept = flags.sweep === true ? await secrets.sweep(state, fileOf(flags.config, workingDirectory)) : null
  const left = await secrets.leases(state)
  if (swept !== null && swept.unrevoked.length > 0) context.exitCode = ExitCode.jobFailed
  if (flags.json === true) return stdout.write(`${JSON.stringify({ leases: left, swept })}\n`)
  for (const { provider, job, message, untilMs } of swept?.unrevoked ?? []) {
    const until = new Date(untilMs).toISOString()
    stderr.write(`sallyport: ${oneLine(provider)}, job ${oneLine(job)}: lives until ${until} at the latest: ${oneLine(message, 1000)}\n`)
  }
  if (swept !== null) stderr.write(`sallyport: ${swept.revoked} ended\n`)
  stdout.write(render(left))
}

function render(left: readonly SessionLease[]): string {
  if (left.length === 0) return 'Nothing is open at any manager\n'
  const rows = left.map(({ run, state, provider, job, until }) => [run, state, provider, job, until].map((text) => oneLine(text)))
  return renderTable([['RUN', 'STATE', 'PROVIDER', 'JOB', 'UNTIL (UTC)'], ...rows])
}
