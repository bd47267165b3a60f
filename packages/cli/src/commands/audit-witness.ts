// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { messageOf, SallyportError } from '@sallyport/core'
import type { Fork } from '@sallyport/witness'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { type Listen, parseListen } from '../options/listen.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'
import { UntilEnded } from '../until-ended.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport audit witness --config logs.txt --listen 192.0.2.8:8471
  sallyport audit witness --config logs.txt --name witness.example.test/w1

A witness remembers the latest tree of each log that it knows, and cosigns only what has grown from there. Run it on another host than the
logs, as another person's. FILE is C2SP tlog-policy; of it the lines of logs count:

  log ci-1.example.test/sallyport/0a1b2c3d+1f2e3d4c+AcNzZ…      as "sallyport audit serve" prints it
  quorum none

A log that changes its key has two lines of one name for a while: the next key is added, and the witness started again, before the log uses it.

The first start makes its key, below the state directory; its verifier key is printed for the policies of logs and verifiers. Keep that
directory: a witness that forgets can be shown another past. SIGINT and SIGTERM end it.`

interface Flags {
  readonly config: string
  readonly listen: Listen
  readonly name: string
  readonly state?: string
  readonly json?: true
}

export function registerAuditWitness(audit: Command, context: Context): void {
  const command = audit
    .command('witness')
    .description('Be a witness of the logs of other hosts.')
    .requiredOption('--config <file>', 'the logs by their keys, as lines of a C2SP tlog-policy')
    .option('--listen <address:port>', 'where to listen', parseListen, parseListen('127.0.0.1:8471'))
    .option('--name <name>', 'name in its key, which stays', `${hostname()}/sallyport-witness`)
    .option('--json', 'print the address and the key as one JSON document')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: Flags) => witnessLogs(flags, context))
}

async function witnessLogs(flags: Flags, context: Context): Promise<void> {
  const [{ HttpServer }, { readWitnessLogs, Witness, witnessHandler }] = await Promise.all([
    import('@sallyport/http'),
    import('@sallyport/witness'),
  ])
  const { stdout, stderr } = context
  const directory = join(stateDirectoryOf(flags, context.config.stateDirectory), 'witness')
  const logs = await readWitnessLogs(flags.config).catch((error: unknown) => refuseConfig(flags.config, error))
  using ended = new UntilEnded(context.signals)
  const say = (line: string): void => stderr.write(`sallyport: ${oneLine(line, 4000)}\n`)
  await using witness = await Witness.open({ directory, name: flags.name, logs, onFork: (fork) => say(keepFork(directory, fork)) })
  const onFailure = (error: unknown): void => say(messageOf(error))
  await using server = await HttpServer.start({ ...flags.listen, handle: witnessHandler(witness), onFailure })
  const { verifierKey } = witness
  const { url } = server
  stdout.write(flags.json === true ? `${jsonText({ url, verifierKey })}\n` : `${verifierKey}\n`)
  say(`witness of ${logs.length} ${logs.length === 1 ? 'key' : 'keys'} of logs at ${url}/`)
  await ended.wait()
}

/** Both notes prove it to anybody: the one that was cosigned is kept, and the first other one of each log, too. */
function keepFork(directory: string, { origin, cosigned, checkpoint }: Fork): string {
  const path = join(directory, `fork-${createHash('sha256').update(origin).digest('hex')}`)
  try {
    writeFileSync(path, checkpoint, { flag: 'wx', mode: 0o600, flush: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return `the log ${origin} has signed two trees of ${cosigned.size} entries: "${path}" is the proof`
}

/** Its other errors name the file themselves. */
function refuseConfig(path: string, error: unknown): never {
  if (!(error instanceof SallyportError) || error.code !== 'AUDIT_LOG_MALFORMED') throw error
  throw new UsageError('FILE_INVALID', `Cannot use "${path}": ${error.message}`, {
    cause: error,
    hint: 'See sallyport audit witness --help',
  })
}
