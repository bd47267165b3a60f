// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { messageOf } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { type Listen, parseListen } from '../options/listen.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'
import { UntilEnded } from '../until-ended.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport audit serve                              for monitors on this machine
  sallyport audit serve --listen 192.0.2.7:8470      for others; a proxy before it adds TLS

It serves what C2SP tlog-tiles names (/checkpoint, /tile/…), read-only, and no more than the latest checkpoint covers; and /keys once its key
was changed, by which whoever trusts an old key comes to the new one. Entries tell what jobs did: let those reach it who may know that. SIGINT
and SIGTERM end it.`

interface Flags {
  readonly listen: Listen
  readonly state?: string
  readonly json?: true
}

export function registerAuditServe(audit: Command, context: Context): void {
  const command = audit
    .command('serve')
    .description('Serve the log over HTTP, read-only, for monitors.')
    .option('--listen <address:port>', 'where to listen', parseListen, parseListen('127.0.0.1:8470'))
    .option('--json', 'print the address and the key of the log as one JSON document')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: Flags) => serve(flags, context))
}

async function serve(flags: Flags, context: Context): Promise<void> {
  const [{ HttpServer }, { tilesHandler }, { auditPlaces }] = await Promise.all([
    import('@sallyport/http'),
    import('@sallyport/log-export'),
    import('@sallyport/agent'),
  ])
  const { stdout, stderr } = context
  const places = auditPlaces(stateDirectoryOf(flags, context.config.stateDirectory))
  const handle = await tilesHandler(join(places.log, 'log')).catch((error: unknown) => refuseLog(places.log, error))
  const log = await logOf(places.signer)
  using ended = new UntilEnded(context.signals)
  const onFailure = (error: unknown): void => stderr.write(`sallyport: ${oneLine(messageOf(error), 1000)}\n`)
  await using server = await HttpServer.start({ ...flags.listen, handle, onFailure })
  const { url } = server
  if (flags.json === true) stdout.write(`${jsonText({ url, ...log })}\n`)
  else if (log.verifierKey !== null) stdout.write(`${log.verifierKey}\n`)
  stderr.write(`sallyport: serving the log ${log.origin ?? '(nothing was published yet)'} at ${url}/\n`)
  await ended.wait()
}

/** Its name and the key that signs now, of a log that has signed. */
async function logOf(directory: string): Promise<{ readonly origin: string | null; readonly verifierKey: string | null }> {
  const [{ readPublicState }, { formatVerifierKey }] = await Promise.all([import('@sallyport/signer'), import('@sallyport/audit-log')])
  const state = await readPublicState(directory)
  const key = state?.epochs.at(-1)?.key
  return { origin: state?.origin ?? null, verifierKey: key === undefined ? null : formatVerifierKey(key) }
}

function refuseLog(directory: string, error: unknown): never {
  throw new UsageError('FILE_UNREADABLE', `Cannot serve the log in "${directory}": ${messageOf(error)}`, {
    hint: 'The first run begins it; --state DIR names the directory that runs are recorded in',
  })
}
