// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addIssuerOptions, type IssuerFlags } from '../options/issuer.ts'
import { oneLine } from '../terminal/sanitize.ts'

const EXAMPLES = `
Examples:
  sallyport identity export /srv/www/ci --issuer https://ci.example.test

Serve the directory as the issuer's URL, with content type application/json. Export again after each rotation: at once after --compromised,
otherwise within the day that has to pass before the next one, so that verifiers come to know its keys.`

export function registerIdentityExport(identity: Command, context: Context): void {
  const command = identity
    .command('export')
    .argument('<dir>', 'the root of what the web server shows as the issuer')
    .description('Write the public keys as files, for any web server.')
    .option('--json', 'what was written as one JSON document')
  addIssuerOptions(command)
  command.addHelpText('after', EXAMPLES).action((directory: string, flags: IssuerFlags) => exportKeys(directory, flags, context))
}

async function exportKeys(directory: string, flags: IssuerFlags, context: Context): Promise<void> {
  const { stdout, workingDirectory, now } = context
  const [{ exportDiscovery }, { openIssuer }] = await Promise.all([import('@sallyport/identity'), import('../options/issuer.ts')])
  const { ring } = await openIssuer(flags, context)
  const { files, staleAtS } = await exportDiscovery(ring, resolve(workingDirectory, directory), Math.floor(now() / 1000))
  const staleAt = staleAtS === null ? null : new Date(staleAtS * 1000).toISOString()
  if (flags.json === true) return stdout.write(`${JSON.stringify({ issuer: ring.issuer, files, staleAt })}\n`)
  for (const file of files) stdout.write(`${oneLine(file, 4000)}\n`)
  if (staleAt !== null) stdout.write(`a retired key is in them until ${staleAt}: export again then\n`)
}
