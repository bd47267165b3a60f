// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { createInterrupt } from '../interrupt.ts'
import { addUnusedStateOption, collect } from '../options/shared.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport image build-minimal -o oci:/srv/images/tools
  sallyport image build-minimal --packages git,make,gcc,libc6-dev -o oci:/srv/images/build:1
  sallyport exec --image oci:/srv/images/build:1 -- make

Packages come from the sources of this machine (/etc/apt), with the keys that those name. The same versions of the packages give the same digest, on
every machine.`

interface BuildFlags {
  readonly packages: readonly string[]
  readonly output: string
  readonly sources: readonly string[]
  readonly timestamp?: number
  readonly json?: true
}

export function registerImageBuildMinimal(image: Command, context: Context): void {
  const command = image
    .command('build-minimal')
    .description('Make a minimal Debian image from packages, reproducibly.')
    .option('--packages <names>', 'packages beyond what apt needs, separated by commas; may be repeated', collectNames, [])
    .requiredOption('-o, --output <place>', 'where to: oci:DIR[:TAG]; DIR must not exist')
    .option('--sources <file>', "sources of packages (sources.list(5)) in place of this machine's; may be repeated", collect, [])
    .option('--timestamp <seconds>', 'the time of files that are younger, in seconds since 1970 (default: 1980-01-01)', parseTimestamp)
    .option('--json', 'what was made as one JSON document')
  addUnusedStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: BuildFlags) => build(flags, context))
}

async function build(
  { packages, output, sources, timestamp, json }: BuildFlags,
  { stdout, stderr, signals, workingDirectory }: Context,
): Promise<void> {
  const { buildMinimalImage } = await import('@sallyport/images')
  using interrupt = createInterrupt(signals, (line) => stderr.write(`${line}\n`))
  const built = await buildMinimalImage({
    packages,
    output: output.replace(/^oci:([^:]+)/, (_, path: string) => `oci:${resolve(workingDirectory, path)}`),
    sources: sources.map((path) => resolve(workingDirectory, path)),
    epoch: timestamp ?? null,
    signal: interrupt.soft,
    onProgress: (line) => stderr.write(`sallyport: ${oneLine(line, 1000)}\n`),
  })
  stdout.write(json === true ? `${JSON.stringify(built)}\n` : `${oneLine(built.reference, 4000)}\n${built.digest}\n`)
}

function collectNames(text: string, earlier: readonly string[]): readonly string[] {
  return [
    ...earlier,
    ...text
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  ]
}

function parseTimestamp(text: string): number {
  if (/^\d{1,11}$/.test(text)) return Number(text)
  throw new UsageError('USAGE', `--timestamp: "${text}" is no number of seconds`, { hint: 'Write seconds since 1970, e.g. $(date +%s)' })
}
