// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { Writable } from 'node:stream'
import type { ExportTarget, LineFormat, SyslogAddress } from '@sallyport/log-export'
import type { Context } from '../context.ts'
import type { Sink } from '../terminal/sink.ts'
import { UsageError } from '../usage-error.ts'
import { readInputFile } from './input-file.ts'

export const TARGET_KINDS = ['jsonl', 'ocsf', 'syslog', 'otlp'] as const
type TargetKind = (typeof TARGET_KINDS)[number]

export interface TargetFlags {
  readonly to: TargetKind
  readonly format: 'jsonl' | 'ocsf'
  readonly ca?: string
  readonly headers?: string
}

type LogExport = typeof import('@sallyport/log-export')

const PEM_BYTES_MAX = 1024 * 1024
const HEADERS_BYTES_MAX = 64 * 1024

/** Where records go. A file holds a descriptor, and is disposed. */
export async function openTarget(
  destination: string | null,
  flags: TargetFlags,
  { stdout, workingDirectory }: Pick<Context, 'stdout' | 'workingDirectory'>,
): Promise<ExportTarget & Partial<AsyncDisposable>> {
  const library = await import('@sallyport/log-export')
  if (flags.to === 'jsonl' || flags.to === 'ocsf') {
    refuseFlags(flags, ['ca', 'headers'])
    const format = formatOf(library, flags.to)
    if (destination === null) return new library.StreamTarget(writableOf(stdout), format)
    return library.FileTarget.open(resolve(workingDirectory, destination), format)
  }
  const ca = flags.ca === undefined ? null : readInputFile(flags.ca, { option: '--ca', bytesMax: PEM_BYTES_MAX })
  if (destination === null)
    throw new UsageError('USAGE', `--to ${flags.to} needs a destination`, { hint: `Write ${EXAMPLE_DESTINATIONS[flags.to]}` })
  return flags.to === 'syslog' ? syslogTarget(library, destination, flags, ca) : otlpTarget(library, destination, flags, ca)
}

/** Names the cursor of a target that was given no name: the same words mean the same target. */
export function targetName(
  destination: string | null,
  { to }: TargetFlags,
  { workingDirectory }: Pick<Context, 'workingDirectory'>,
): string {
  if (destination === null) return `${to}-stdout`
  const place = to === 'jsonl' || to === 'ocsf' ? resolve(workingDirectory, destination) : destination
  return `${to}-${createHash('sha256').update(place).digest('hex').slice(0, 16)}`
}

const EXAMPLE_DESTINATIONS = { syslog: 'tls://HOST:6514 or tcp://HOST:514', otlp: 'https://HOST:4318/v1/logs' } as const

function syslogTarget(library: LogExport, destination: string, flags: TargetFlags, ca: string | null): ExportTarget {
  refuseFlags(flags, ['headers'])
  const address = syslogAddress(destination, ca)
  if (address.tls === null) refuseFlags(flags, ['ca'])
  return new library.SyslogTarget({ address, format: formatOf(library, flags.format) })
}

function syslogAddress(text: string, ca: string | null): SyslogAddress {
  const { scheme, host, port } =
    /^(?<scheme>tcp|tls):\/\/(?:\[(?<host>[0-9a-fA-F:.]+)\]|(?<host>[^:/?#[\]@]+)):(?<port>\d{1,5})\/?$/.exec(text)?.groups ?? {}
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new UsageError('USAGE', `"${text}" is no address of a syslog receiver`, { hint: `Write ${EXAMPLE_DESTINATIONS.syslog}` })
  return { host, port: Number(port), tls: scheme === 'tls' ? { ca, identity: null } : null }
}

function otlpTarget(library: LogExport, destination: string, { headers }: TargetFlags, ca: string | null): ExportTarget {
  const url = URL.parse(destination)
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '')
    throw new UsageError('USAGE', 'The destination is no URL of an OpenTelemetry collector', {
      hint: `Write ${EXAMPLE_DESTINATIONS.otlp}; what authenticates us goes into a file, with --headers FILE`,
    })
  return new library.OtlpTarget({ url: url.href, headers: headers === undefined ? {} : readHeaders(headers), ...(ca !== null && { ca }) })
}

/** A file, since a token on the command line is everybody's. */
function readHeaders(path: string): Readonly<Record<string, string>> {
  const lines = readInputFile(path, { option: '--headers', bytesMax: HEADERS_BYTES_MAX }).split(/\r?\n/)
  return Object.fromEntries(lines.flatMap((line, index) => (line.trim() === '' ? [] : [readHeader(path, line, index + 1)])))
}

function readHeader(path: string, line: string, number: number): readonly [string, string] {
  const { name, value } = /^(?<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?<value>[\x20-\x7e]*)$/.exec(line)?.groups ?? {}
  if (name === undefined || value === undefined)
    throw new UsageError('FILE_INVALID', `Cannot use line ${number} of "${path}": it is no header`, { hint: 'Write NAME: VALUE' })
  return [name.toLowerCase(), value.trimEnd()]
}

function formatOf({ jsonLine, ocsfLine }: LogExport, format: 'jsonl' | 'ocsf'): LineFormat {
  return format === 'ocsf' ? ocsfLine : jsonLine
}

function refuseFlags(flags: TargetFlags, names: readonly ('ca' | 'headers')[]): void {
  const given = names.find((name) => flags[name] !== undefined)
  if (given !== undefined)
    throw new UsageError('USAGE', `--${given} does not go with this target`, { hint: 'See sallyport audit export --help' })
}

/** A pipe or file holds the writer up. That its reader is gone is told a moment after the write. */
function writableOf(sink: Sink): Writable {
  return new Writable({
    decodeStrings: true,
    write: (chunk: Buffer, _encoding, done) => {
      sink.write(chunk)
      setImmediate(() => done(sink.isBroken ? new Error('its reader is gone') : null))
    },
  })
}
