// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import { ExitCode } from '@sallyport/core'
import type { KnownValues, Leak, Unsearched } from '@sallyport/leak-scan'
import { ONLY_FIELD } from '@sallyport/secrets'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { searchPath } from '../leak-files.ts'
import { accessStore, addStoreOptions, openStore, type StoreFlags } from '../options/secret-store.ts'
import { readSecrets, type SecretOptions } from '../options/secrets.ts'
import { collect, stateDirectoryOf } from '../options/shared.ts'
import { sarifOf } from '../sarif.ts'
import { recordingSecrets } from '../secret-events.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { createStyle } from '../terminal/style.ts'
import { renderTable } from '../terminal/table.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport secrets scan dist/ build.log --secrets-file secrets.env
  sallyport secrets scan --run 20261122-2015       the record of a run: journal, logs, document
  sallyport secrets scan . --sarif > leaks.sarif
  sallyport secrets scan --store --run 20261122-2015      with every value of the embedded store

Exit codes: 0 nothing was found, 1 something was found or could not be searched. No value is ever printed.`

/** Shown and in documents: whoever has more has to look at the first ones anyway. */
const LEAKS_MAX = 10_000

interface ScanFlags extends SecretOptions, StoreFlags {
  readonly run: readonly string[]
  readonly store?: true
  readonly sarif?: true
}

export interface ScanReport {
  readonly files: number
  readonly leaks: readonly Leak[]
  readonly unsearched: readonly Unsearched[]
  /** Beyond those that are listed. */
  readonly more: number
}

export function registerScan(secrets: Command, context: Context): void {
  const scan = secrets
    .command('scan')
    .argument('[paths...]', 'files and directories; archives (tar, zip, gzip) are searched inside')
    .description('Search files, archives and run records for known values and for the shapes of credentials.')
    .option('--run <run>', 'the record of a run, by its id or its beginning; may be repeated', collect, [])
    .option('--secret <name>', 'a known value from the environment (NAME) or from a file (NAME=@FILE); may be repeated', collect, [])
    .option('--secrets-file <file>', 'known values from a dotenv file; may be repeated', collect, [])
    .option('--store', 'known values: all versions of all secrets of the embedded store; that they were read is recorded')
    .option('--json', 'one JSON document')
    .option('--sarif', 'one SARIF 2.1.0 document')
    .addHelpText('after', EXAMPLES)
  addStoreOptions(scan)
  scan.action((paths: readonly string[], flags: ScanFlags) => scanPaths(paths, flags, context))
}

async function scanPaths(paths: readonly string[], flags: ScanFlags, context: Context): Promise<void> {
  const places = [...paths.map((path) => resolve(context.workingDirectory, path)), ...(await recordsOf(flags, context))]
  if (places.length === 0)
    throw new UsageError('USAGE', 'Nothing to search was named', { hint: 'Name files or directories, or a run with --run RUN' })
  const report = await search(places, flags, context)
  context.stdout.write(render(report, flags, context))
  if (report.leaks.length > 0 || report.unsearched.length > 0) context.exitCode = ExitCode.jobFailed
}

async function recordsOf(flags: ScanFlags, { loadStore, config }: Context): Promise<readonly string[]> {
  if (flags.run.length === 0) return []
  const store = await loadStore(stateDirectoryOf(flags, config.stateDirectory))
  return Promise.all(flags.run.map(async (id) => (await store.open(id)).directory))
}

async function search(places: readonly string[], flags: ScanFlags, context: Context): Promise<ScanReport> {
  const { KnownValues, LeakSearch } = await import('@sallyport/leak-scan')
  const known = new KnownValues()
  addKnown(known, Object.entries(readSecrets(flags, context.secrets)), context)
  if (flags.store === true) addKnown(known, await storedValues(flags, context), context)
  const leaks: Leak[] = []
  const unsearched: Unsearched[] = []
  let more = 0
  const keep = <T>(list: T[], item: T): void => {
    if (list.length < LEAKS_MAX) list.push(item)
    else more += 1
  }
  const masked = <T extends { readonly place: string }>(item: T): T => ({ ...item, place: known.redact(item.place) })
  const sinks = {
    found: (leak: Leak) => keep(leaks, masked(leak)),
    unsearched: ({ place, reason }: Unsearched) => keep(unsearched, masked({ place, reason: known.redact(reason) })),
  }
  const searching = new LeakSearch(known, sinks)
  let files = 0
  for (const place of places) files += await searchPath(place, searching, sinks.unsearched)
  return { files, leaks, unsearched, more }
}

function addKnown(known: KnownValues, values: Iterable<readonly [name: string, value: string]>, { stderr }: Context): void {
  for (const [name, value] of values)
    if (!known.add(name, value)) stderr.write(`sallyport: "${name}" is not searched for: it is too short, or there is too much\n`)
}

/** Of all versions: one that was replaced may still be good somewhere. Their reading is on record first. A value that is no text is searched for by no form. */
async function storedValues(flags: ScanFlags, context: Context): Promise<readonly (readonly [name: string, value: string])[]> {
  await using access = await accessStore(flags, context)
  const store = await openStore(access, context)
  const names = await store.look(({ secrets }) => [...secrets.values()].map(({ name }) => name))
  await recordingSecrets(access.stateDirectory, context, (events) =>
    events.record({ type: 'secret.read', secrets: names, data: { by: 'scan' } }),
  )
  return await store.look(({ secrets }) =>
    [...secrets.values()].flatMap(({ name, versions }) =>
      versions.flatMap(({ number, fields }, index) =>
        [...fields].map(([field, value]) => {
          const whole = field === ONLY_FIELD ? name : `${name}#${field}`
          return [index === versions.length - 1 ? whole : `${whole} (version ${number})`, Buffer.from(value).toString()] as const
        }),
      ),
    ),
  )
}

function render(report: ScanReport, flags: ScanFlags, { stdout, config }: Context): string {
  if (flags.sarif === true) return `${JSON.stringify(sarifOf(report))}\n`
  if (flags.json === true) return `${JSON.stringify(report)}\n`
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  const leaks = report.leaks.map(({ rule, name, place, line, head, fingerprint }) => [
    style.bad(oneLine(rule)),
    oneLine(name ?? (fingerprint === null ? '' : `${head}… ${fingerprint}`)),
    `${oneLine(place, 500)}:${line}`,
  ])
  const unsearched = report.unsearched.map(({ place, reason }) => [style.warn('not searched'), oneLine(reason, 200), oneLine(place, 500)])
  const more = report.more === 0 ? '' : `${report.more} more are not listed\n`
  const total = `${report.files} files searched, ${report.leaks.length} leaks, ${report.unsearched.length} not searched\n`
  return `${renderTable([...leaks, ...unsearched])}${more}${total}`
}
