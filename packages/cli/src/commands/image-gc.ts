// SPDX-License-Identifier: Apache-2.0
import { ExitCode, formatSize } from '@sallyport/core'
import type { GcResult } from '@sallyport/images'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { parseAge } from '../options/age.ts'
import { openStore, type StoreFlags } from '../options/image-store.ts'
import { addStateOption } from '../options/shared.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { UntilEnded } from '../until-ended.ts'

const EXAMPLES = `
Examples:
  sallyport image gc
  sallyport image gc --unused-for 30d     also images that have a name, and that no job and no pull has used for 30 days
  sallyport image gc --dry-run

What a running job uses is kept. Images that verification has found changed go, too.`

interface Flags extends StoreFlags {
  readonly unusedFor?: number
  readonly dryRun?: true
}

export function registerImageGc(image: Command, context: Context): void {
  const command = image
    .command('gc')
    .description('Remove images that no name leads to any more, and what killed pulls have left.')
    .option('--unused-for <age>', 'also what has not been used for so long, e.g. 30d', (text) => parseAge('--unused-for', text))
    .option('--dry-run', 'only say what would go')
    .option('--json', 'one JSON document')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: Flags) => collect(flags, context))
}

async function collect(flags: Flags, context: Context): Promise<void> {
  const store = await openStore(flags, context)
  using ended = new UntilEnded(context.signals)
  try {
    const result = await store.gc({ unusedForMs: flags.unusedFor ?? null, isDryRun: flags.dryRun === true, signal: ended.signal })
    context.stdout.write(flags.json === true ? `${JSON.stringify(result)}\n` : render(result, flags))
  } catch (error) {
    if (!ended.signal.aborted) throw error
    context.exitCode = ExitCode.interrupted
  }
}

function render({ removed, kept, leftovers, freedBytes }: GcResult, { dryRun }: Flags): string {
  const verb = dryRun === true ? 'would remove' : 'removed'
  const lines = removed.map(({ digest, references, bytes }) =>
    `${verb}  ${digest}  ${formatSize(bytes)}  ${references.map((name) => oneLine(name)).join(', ')}`.trimEnd(),
  )
  const inUse = kept.filter(({ reason }) => reason === 'in-use').map(({ digest }) => `kept     ${digest}  in use`)
  const leftoverLine = leftovers === 0 ? [] : [`${verb}  what ${leftovers} killed ${leftovers === 1 ? 'pull' : 'pulls'} left`]
  const sum = `${verb} ${removed.length} ${removed.length === 1 ? 'image' : 'images'}, ${formatSize(freedBytes)}; ${kept.length} kept`
  return [...lines, ...inUse, ...leftoverLine, sum].map((line) => `${line}\n`).join('')
}
