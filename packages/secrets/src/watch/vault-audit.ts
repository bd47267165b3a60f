// SPDX-License-Identifier: Apache-2.0
// An audit device of Vault and OpenBao, which is written before a request is answered: https://openbao.org/docs/audit/.
import { LineReader, messageOf } from '@sallyport/core'
import { isJsonObject, type JsonObject } from '../providers/json.ts'
import type { VaultMount } from '../providers/vault/vault-settings.ts'
import type { ManagerEntry, ManagerLogReader, ManagerRead } from './manager-log.ts'

export interface VaultAuditOptions {
  readonly mounts: readonly Pick<VaultMount, 'path' | 'engine' | 'version'>[]
  /** Null: the root namespace. */
  readonly namespace: string | null
}

/** An entry holds the whole request and answer, with a hash for each value. */
const LINE_BYTES_MAX = 4 * 2 ** 20
const TEXT_LENGTH_MAX = 1024
/** Of requests that were not answered: one that is forgotten is at worst told as a gap. */
const UNANSWERED_MAX = 50_000
/** A server gives up a request after 90 s (`default_max_request_duration`): so long after its beginning a log may hold answers to earlier ones. */
const EARLIER_MS = 90_000
const NEWLINE = 10

/** Line by line; holds one at a time, and the numbers of requests that are not answered yet. */
export class VaultAuditReader implements ManagerLogReader {
  readonly #options: VaultAuditOptions
  readonly #unanswered = new Set<string>()
  #lines = new LineReader(LINE_BYTES_MAX)
  #line = 0
  #beganMs: number | null = null
  #isTorn = false
  /** The rest of this file makes no sense. */
  #isLost = false

  constructor(options: VaultAuditOptions) {
    this.#options = options
  }

  *read(chunk: Uint8Array): Generator<ManagerEntry> {
    if (this.#isLost || chunk.length === 0) return
    try {
      for (const bytes of this.#lines.read(chunk)) {
        this.#line += 1
        yield* this.#entry(bytes)
      }
      this.#isTorn = chunk.at(-1) !== NEWLINE
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#isLost = true
      yield { kind: 'unreadable', line: this.#line + 1, why: `the rest is not read: ${messageOf(error)}` }
    }
  }

  *endFile(isLast: boolean): Generator<ManagerEntry> {
    if (this.#isTorn && !isLast) yield { kind: 'unreadable', line: this.#line + 1, why: 'its last line has no end' }
    this.#lines = new LineReader(LINE_BYTES_MAX)
    this.#line = 0
    this.#isTorn = false
    this.#isLost = false
  }

  *#entry(bytes: Uint8Array): Generator<ManagerEntry> {
    const line = this.#line
    const entry = parseEntry(bytes)
    const request = entry?.['request']
    const atMs = Date.parse(textOf(entry?.['time']))
    if (entry === null || !isJsonObject(request) || Number.isNaN(atMs)) {
      yield { kind: 'unreadable', line, why: 'it is no entry of an audit device' }
      return
    }
    this.#beganMs ??= atMs
    if (!this.#isPaired(entry, request, atMs)) yield { kind: 'gap', line, atMs, why: 'it answers a request that is not in the log' }
    if (entry['type'] !== 'response' || isText(entry['error'])) return yield { kind: 'other', line, atMs }
    if (turnsOff(request)) yield { kind: 'gap', line, atMs, why: `an audit device was turned off: ${textOf(request['path'])}` }
    const read = this.#readOf(entry, request, atMs)
    yield read === null ? { kind: 'other', line, atMs } : { kind: 'read', line, read }
  }

  /** Each answer has its request before it. */
  #isPaired({ type }: JsonObject, { id }: JsonObject, atMs: number): boolean {
    const number = textOf(id)
    if (type === 'request') {
      const [oldest] = this.#unanswered
      if (this.#unanswered.size >= UNANSWERED_MAX && oldest !== undefined) this.#unanswered.delete(oldest)
      this.#unanswered.add(number)
      return true
    }
    return this.#unanswered.delete(number) || atMs < (this.#beganMs ?? atMs) + EARLIER_MS
  }

  /** Null for what hands out no secret of these mounts. */
  #readOf({ auth }: JsonObject, request: JsonObject, atMs: number): ManagerRead | null {
    const path = textOf(request['path'])
    const operation = textOf(request['operation'])
    if (!isOfNamespace(request, this.#options.namespace)) return null
    const mount = this.#options.mounts.find((each) => path.startsWith(`${each.path}/`))
    if (mount === undefined || !handsOut(mount, path, operation)) return null
    const who = isJsonObject(auth) ? auth : {}
    return {
      atMs,
      id: textOf(request['id']),
      operation,
      paths: [addressOf(mount, path)],
      mark: textOf(who['accessor']),
      who: textOf(who['entity_id']) || null,
      name: textOf(who['display_name']),
      from: textOf(request['remote_address']),
      isLogin: false,
    }
  }
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

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, TEXT_LENGTH_MAX) : ''
}

function isOfNamespace({ namespace: found }: JsonObject, namespace: string | null): boolean {
  const bare = (path: string): string => path.replace(/\/+$/, '')
  return bare(isJsonObject(found) ? textOf(found['path']) : '') === bare(namespace ?? '')
}

function turnsOff({ path, operation }: JsonObject): boolean {
  return operation === 'delete' && /^sys\/audit\/./.test(textOf(path))
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

type Mount = VaultAuditOptions['mounts'][number]

function handsOut({ path: mount, engine, version }: Mount, path: string, operation: string): boolean {
  if (operation !== 'read' && operation !== 'update') return false
  const inner = path.slice(mount.length + 1)
  if (engine === 'generic') return true
  if (engine === 'kv') return operation === 'read' && (version === 1 || inner.startsWith('data/'))
  return MAKES[engine].test(inner)
}

/** Version 2 of KV has `data` between mount and name, which addresses leave out. */
function addressOf({ path: mount, engine, version }: Mount, path: string): string {
  return engine === 'kv' && version === 2 ? `${mount}/${path.slice(mount.length + '/data/'.length)}` : path
}
