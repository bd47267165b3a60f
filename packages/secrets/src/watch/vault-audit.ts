// SPDX-License-Identifier: Apache-2.0
// The server's own audit log, which it writes before it answers: who read a secret there without us is found in it, and nowhere else.
import { LineReader, messageOf } from '@sallyport/core'
import { isJsonObject, type JsonObject } from '../providers/json.ts'
import type { VaultMount } from '../providers/vault/vault-settings.ts'

/** A secret that was handed out. */
export interface AuditedRead {
  /** Of the server's clock. */
  readonly time: string
  readonly requestId: string
  readonly operation: string
  readonly path: string
  /** As the device writes it: a keyed hash, unless its `hmac_accessor` is false. */
  readonly accessor: string
  readonly displayName: string
  readonly remoteAddress: string
}

export type AuditMatch =
  /** By a session of ours. */
  | { readonly kind: 'ours'; readonly line: number; readonly read: AuditedRead; readonly handle: string }
  /** By somebody else. */
  | { readonly kind: 'around-broker'; readonly line: number; readonly read: AuditedRead }
  /** What cannot be read may hide anything. */
  | { readonly kind: 'unreadable'; readonly line: number; readonly why: string }

export interface AuditMatchOptions {
  readonly mounts: readonly Pick<VaultMount, 'path' | 'engine' | 'version'>[]
  /** Null: the root namespace. */
  readonly namespace: string | null
  /** Handles of our sessions, by what the device writes for them. */
  readonly handles: ReadonlyMap<string, string>
}

/** An entry holds the whole request and answer, with a hash for each value. */
const LINE_BYTES_MAX = 4 * 2 ** 20
const TEXT_LENGTH_MAX = 1024

/** One secret that was handed out after another, in the order of the log; holds one line at a time. A last line without its end is still being written. */
export async function* matchVaultAudit(chunks: AsyncIterable<Uint8Array>, options: AuditMatchOptions): AsyncGenerator<AuditMatch> {
  const reader = new LineReader(LINE_BYTES_MAX)
  let line = 0
  try {
    for await (const chunk of chunks) {
      for (const bytes of reader.read(chunk)) {
        line += 1
        const match = matchLine(bytes, line, options)
        if (match !== null) yield match
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    yield { kind: 'unreadable', line: line + 1, why: `the rest is not read: ${messageOf(error)}` }
  }
}

/** Null for an entry that hands out no secret of these mounts. */
function matchLine(bytes: Uint8Array, line: number, options: AuditMatchOptions): AuditMatch | null {
  const entry = parseEntry(bytes)
  if (entry === null) return { kind: 'unreadable', line, why: 'it is no entry of an audit device' }
  if (entry['type'] !== 'response' || isText(entry['error'])) return null
  const read = readOf(entry)
  if (read === null) return { kind: 'unreadable', line, why: 'it is an answer to no request' }
  if (!isOfNamespace(entry, options.namespace) || !options.mounts.some((mount) => handsOut(mount, read))) return null
  const handle = options.handles.get(read.accessor)
  return handle === undefined ? { kind: 'around-broker', line, read } : { kind: 'ours', line, read, handle }
}

function parseEntry(bytes: Uint8Array): JsonObject | null {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return isJsonObject(parsed) && isText(parsed['type']) ? parsed : null
  } catch {
    // Neither UTF-8 nor JSON: told as unreadable
    return null
  }
}

function readOf({ time, auth, request }: JsonObject): AuditedRead | null {
  if (!isJsonObject(request) || !isText(request['path']) || !isText(request['operation'])) return null
  const who = isJsonObject(auth) ? auth : {}
  return {
    time: textOf(time),
    requestId: textOf(request['id']),
    operation: textOf(request['operation']),
    path: textOf(request['path']),
    accessor: textOf(who['accessor']),
    displayName: textOf(who['display_name']),
    remoteAddress: textOf(request['remote_address']),
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** Untrusted: whoever asked has chosen the path. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, TEXT_LENGTH_MAX) : ''
}

function isOfNamespace({ request }: JsonObject, namespace: string | null): boolean {
  const found = isJsonObject(request) && isJsonObject(request['namespace']) ? textOf(request['namespace']['path']) : ''
  const bare = (path: string): string => path.replace(/\/+$/, '')
  return bare(found) === bare(namespace ?? '')
}

/** What is asked to have a secret, beside what is asked to set an engine up. */
const MAKES: Readonly<Record<Exclude<VaultMount['engine'], 'kv' | 'generic'>, RegExp>> = {
  database: /^(static-)?creds\//,
  pki: /^(issue|sign|sign-verbatim|issuer\/[^/]+\/(issue|sign|sign-verbatim))\//,
  ssh: /^(creds|sign|issue)\//,
  aws: /^(creds|sts|static-creds)\//,
  azure: /^(creds|static-creds)\//,
  gcp: /^(key|token|(roleset|static-account|impersonated-account)\/[^/]+\/(key|token))(\/|$)/,
}

function handsOut({ path, engine, version }: AuditMatchOptions['mounts'][number], read: AuditedRead): boolean {
  if (!read.path.startsWith(`${path}/`) || (read.operation !== 'read' && read.operation !== 'update')) return false
  const inner = read.path.slice(path.length + 1)
  if (engine === 'generic') return true
  if (engine === 'kv') return read.operation === 'read' && (version === 1 || inner.startsWith('data/'))
  return MAKES[engine].test(inner)
}
