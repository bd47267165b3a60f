// SPDX-License-Identifier: Apache-2.0
import type { Agent, PublishedLog } from '@sallyport/agent'
import { ExitCode, messageOf, parseDurationMs, SallyportError } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { exitCodeOf } from '../report-error.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'
import { UntilEnded } from '../until-ended.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport audit publish                  once: for a timer of systemd, or cron
  sallyport audit publish --every 10m      again and again, until SIGINT or SIGTERM

It publishes what no checkpoint covers yet, and has the witnesses of STATE/audit-policy cosign the log anew even where nothing was added. Their
cosignatures have a time: whoever checks the log can tell a host on which nothing happens from one on which the log was stopped. Without
witnesses, nothing in a checkpoint says how old it is. Choose an interval well below the age that verifiers accept.

Exit codes: 0 published; 2 there is no log, or audit-policy is invalid; 5 too few witnesses have cosigned; 6 the log cannot be written, or
another process went on publishing it. With --every: that of the last publication.`

/** Each one starts a signer, and writes and syncs a file on this host and on each witness. */
const EVERY_MS_MIN = 1000
/** Timers know no more than 24 days; verifiers that accept a week are none. */
const EVERY_MS_MAX = 7 * 24 * 60 * 60 * 1000
/** After a failure it does not wait for the whole interval. */
const RETRY_MS_MAX = 30_000

interface Flags {
  readonly every?: number
  readonly state?: string
  readonly json?: true
}

export function registerAuditPublish(audit: Command, context: Context): void {
  const command = audit
    .command('publish')
    .description('Publish the log, with fresh cosignatures of its witnesses.')
    .option('--every <duration>', 'go on, and publish at this interval, e.g. 10m', parseEvery)
    .option('--json', 'each publication as one line of JSON')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: Flags) => publish(flags, context))
}

async function publish(flags: Flags, context: Context): Promise<void> {
  const state = stateDirectoryOf(flags, context.config.stateDirectory)
  const agent = await context.loadAgent()
  if (flags.every !== undefined) return publishAgain(agent, state, flags.every, flags, context)
  context.stdout.write(render(await agent.audit.publish(state), flags))
}

async function publishAgain(agent: Agent, state: string, intervalMs: number, flags: Flags, context: Context): Promise<void> {
  const { Republication } = await import('@sallyport/witness')
  using ended = new UntilEnded(context.signals)
  const report = new PublicationReport(flags, context)
  await using _republication = new Republication({
    publish: async () => report.published(await agent.audit.publish(state)),
    intervalMs,
    retryMs: Math.min(intervalMs, RETRY_MS_MAX),
    onFailure: (error) => report.failed(error),
  })
  await ended.wait()
}

/** Says what changes, not that all is as before: that would fill the journal of a host on which nothing happens. */
class PublicationReport {
  readonly #flags: Flags
  readonly #context: Context
  /** Of the last publication; null after one that went well. */
  #failure: string | null = null
  #said = ''

  constructor(flags: Flags, context: Context) {
    this.#flags = flags
    this.#context = context
  }

  published(log: PublishedLog): void {
    const { stdout, stderr } = this.#context
    if (this.#failure !== null) stderr.write('sallyport: the log is published again\n')
    this.#failure = null
    this.#context.exitCode = ExitCode.success
    const words = render(log, this.#flags)
    if (this.#flags.json === true || words !== this.#said) stdout.write(words)
    this.#said = words
  }

  failed(error: unknown): void {
    const code = error instanceof SallyportError ? error.code : 'INTERNAL'
    const message = messageOf(error)
    if (message !== this.#failure) this.#context.stderr.write(`sallyport: error[${code}]: ${oneLine(message, 4000)}\n`)
    this.#failure = message
    this.#context.exitCode = exitCodeOf(error)
  }
}

function render(log: PublishedLog, flags: Flags): string {
  if (flags.json === true) return `${jsonText(log)}\n`
  const by = log.witnesses === null ? 'without witnesses' : `cosigned by ${log.witnesses.map((name) => oneLine(name)).join(', ')}`
  return `published ${log.size} ${log.size === 1 ? 'entry' : 'entries'} of ${oneLine(log.origin)}, ${by}\n`
}

function parseEvery(text: string): number {
  const ms = parseDurationMs(text)
  if (ms !== null && ms >= EVERY_MS_MIN && ms <= EVERY_MS_MAX) return ms
  throw new UsageError('USAGE', `--every: "${text}" is not a duration from 1s to 168h`, { hint: 'Write for example --every 10m' })
}
