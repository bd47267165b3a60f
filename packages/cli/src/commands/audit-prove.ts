// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { type AuditFlags, addAuditOptions, auditPlaceOf } from '../options/audit-place.ts'
import { writeOutputFile } from '../options/output-file.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport audit prove 20261122-2015 -o run.tlog-proof
  sallyport audit prove 20261122-2015 --entry 41 -o step.tlog-proof

The proof stands alone: it holds the entry, its place in the tree and the signed checkpoint (c2sp.org/tlog-proof). Whoever gets it needs the
key that is printed, from somebody they trust, and any program that knows the format. The last entry of a run holds the root of all others.`

interface ProveFlags extends AuditFlags {
  readonly output: string
  readonly entry?: number
  readonly force?: true
}

export function registerProve(audit: Command, context: Context): void {
  const command = audit
    .command('prove')
    .argument('<run>', 'id, or its beginning')
    .description('Prove to somebody else that a run stands in the log.')
    .requiredOption('-o, --output <file>', 'where the proof goes')
    .option('--entry <index>', 'of this entry of the run (default: the last one)', parseIndex)
    .option('--force', 'replace the file if it exists')
    .option('--json', 'what was proven as one JSON document')
  addAuditOptions(command)
  command.addHelpText('after', EXAMPLES).action((run: string, flags: ProveFlags) => prove(run, flags, context))
}

async function prove(run: string, flags: ProveFlags, context: Context): Promise<void> {
  const { stdout, workingDirectory } = context
  const agent = await context.loadAgent()
  const { proof, ...proven } = await agent.audit.prove(auditPlaceOf(undefined, flags, context), run, flags.entry ?? null)
  writeOutputFile(resolve(workingDirectory, flags.output), proof, { force: flags.force === true })
  if (flags.json === true) return stdout.write(`${jsonText({ ...proven, file: flags.output })}\n`)
  stdout.write(
    `entry ${proven.index} of ${proven.size}: ${oneLine(proven.entry.type)} of run ${oneLine(proven.run)}\nkey   ${oneLine(proven.key, 1000)}\n`,
  )
}

function parseIndex(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError('USAGE', `--entry: "${text}" is not the index of an entry`, {
    hint: 'sallyport audit show prints it first in each line',
  })
}
