// SPDX-License-Identifier: Apache-2.0
import { parseDurationMs } from '@sallyport/core'
import type { ProviderDescription } from '../../contract.ts'
import { SettingsReader } from '../../settings-reader.ts'
import { isLoopback } from '../transport.ts'

export interface VaultSettings {
  readonly name: string
  /** Without a slash at its end. */
  readonly address: string
  /** A file. */
  readonly ca: string | null
  readonly namespace: string | null
  /** The broker's own standing. */
  readonly auth: VaultAuth
  /** Null: a job's token is a child of the broker's. Otherwise the job logs in as itself, with a token of our issuer. */
  readonly jobLogin: { readonly mount: string; readonly role: string } | null
  /** Null: those of the broker's token. */
  readonly jobPolicies: readonly string[] | null
  /** A role of the token store, which lets children have policies that the broker has not. */
  readonly tokenRole: string | null
  /** A child's token is handed over in a wrapping that can be opened once, and only after its accessor was noted. */
  readonly wrap: boolean
  /** By mount path, longest first. */
  readonly mounts: readonly VaultMount[]
}

export type VaultAuth =
  | { readonly method: 'token'; readonly token: string }
  | {
      readonly method: 'approle'
      readonly mount: string
      readonly roleId: string
      readonly secretId: string
      /** The file holds a wrapping token of response wrapping, not the secret ID itself. */
      readonly isWrapped: boolean
    }
  | { readonly method: 'jwt' | 'kubernetes'; readonly mount: string; readonly role: string; readonly token: string }

export const ENGINES = ['kv', 'database', 'pki', 'ssh', 'aws', 'azure', 'gcp', 'generic'] as const
export type EngineName = (typeof ENGINES)[number]

export interface VaultMount {
  /** Without slashes at its ends. */
  readonly path: string
  readonly engine: EngineName
  /** Of KV alone. */
  readonly version: 1 | 2
  /** Of a generic engine: how it is asked. */
  readonly method: 'GET' | 'POST'
  /** What the engine makes without a lease, which nothing can end, lives at most so long; null: it is refused. */
  readonly livesOnMs: number | null
}

const KUBERNETES_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token'
const LIVES_ON_MS_MAX = 24 * 3600e3
/** No engines: what is under them is the server itself, or nobody's but a token's own. */
const NEVER_MOUNTS: ReadonlySet<string> = new Set(['sys', 'auth', 'cubbyhole'])

/** @throws SecretsError PROVIDER_CONFIG_INVALID */
export function parseVaultSettings({ name, settings }: ProviderDescription): VaultSettings {
  const reader = new SettingsReader(name, settings)
  const parsed: VaultSettings = {
    name,
    address: parseAddress(reader),
    ca: reader.optionalText('ca'),
    namespace: reader.optionalText('namespace', NAMESPACE),
    auth: parseAuth(reader.section('auth')),
    jobLogin: parseJobLogin(reader.optionalSection('job-login')),
    jobPolicies: reader.optionalList('job-policies'),
    tokenRole: reader.optionalText('token-role', SEGMENT),
    wrap: reader.flag('wrap'),
    mounts: parseMounts(reader.section('mounts')),
  }
  checkAudience(reader, parsed)
  reader.finish()
  return parsed
}

/** It is read by the supervisor, which has the job's token made for it. */
function checkAudience(reader: SettingsReader, { jobLogin }: VaultSettings): void {
  if (reader.optionalText('audience') !== null && jobLogin === null)
    throw reader.invalid('audience', 'is for jobs that log in themselves', 'Add job-login: { role: ROLE }, or leave it out')
}

const SEGMENT = { pattern: /^[A-Za-z0-9_.-]{1,128}$/, what: 'a name: letters, digits, "_", "." and "-"' }
const MOUNT = { pattern: /^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+){0,15}$/, what: 'a mount path, such as "kv" or "team-a/kv"' }
const NAMESPACE = { pattern: /^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+){0,15}\/?$/, what: 'a namespace, such as "team-a/ci"' }

/** In the clear only to this machine itself. */
function parseAddress(reader: SettingsReader): string {
  const text = reader.text('address')
  const url = URL.parse(text)
  const isBare = url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (!isBare || (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))))
    throw reader.invalid('address', 'is no address of a server', 'Write https://HOST:8200, or http:// for a server of this machine')
  return url.href.replace(/\/+$/, '')
}

function parseAuth(reader: SettingsReader): VaultAuth {
  const method = reader.choice('method', ['token', 'approle', 'jwt', 'kubernetes'])
  const auth = readAuth(reader, method)
  reader.finish()
  return auth
}

function readAuth(reader: SettingsReader, method: VaultAuth['method']): VaultAuth {
  if (method === 'token') return { method, token: reader.text('token') }
  const mount = reader.optionalText('mount', MOUNT) ?? method
  if (method === 'approle')
    return {
      method,
      mount,
      roleId: reader.text('role-id'),
      secretId: reader.text('secret-id'),
      isWrapped: reader.flag('secret-id-is-wrapped'),
    }
  const token = method === 'kubernetes' ? (reader.optionalText('token') ?? KUBERNETES_TOKEN) : reader.text('token')
  return { method, mount, role: reader.text('role'), token }
}

function parseJobLogin(reader: SettingsReader | null): VaultSettings['jobLogin'] {
  if (reader === null) return null
  const login = { mount: reader.optionalText('mount', MOUNT) ?? 'jwt', role: reader.text('role') }
  reader.finish()
  return login
}

function parseMounts(reader: SettingsReader): readonly VaultMount[] {
  const mounts = reader.keys().map((path) => parseMount(reader, path))
  if (mounts.length === 0) throw reader.invalid(null, 'has no mount', 'Write the mounts that may be read, e.g. { kv: { engine: kv } }')
  return mounts.toSorted((a, b) => b.path.length - a.path.length)
}

function parseMount(parent: SettingsReader, path: string): VaultMount {
  if (!MOUNT.pattern.test(path) || path.split('/').some((part) => /^\.+$/.test(part)) || NEVER_MOUNTS.has(path.split('/', 1)[0] ?? ''))
    throw parent.invalid(path, 'is no mount of a secrets engine', `Write ${MOUNT.what}`)
  const reader = parent.section(path)
  const engine = reader.choice('engine', ENGINES)
  const mount: VaultMount = {
    path,
    engine,
    version: engine === 'kv' && reader.optionalChoice('version', ['1', '2']) === '1' ? 1 : 2,
    method: engine === 'generic' && reader.optionalChoice('method', ['read', 'write']) === 'write' ? 'POST' : 'GET',
    livesOnMs: engine === 'kv' ? null : parseLivesOn(reader),
  }
  reader.finish()
  return mount
}

function parseLivesOn(reader: SettingsReader): number | null {
  const text = reader.optionalText('lives-on')
  if (text === null) return null
  const ms = parseDurationMs(text)
  if (ms === null || ms < 1000 || ms > LIVES_ON_MS_MAX)
    throw reader.invalid('lives-on', 'is no duration from 1s to 24h', 'Write how long a credential without a lease may live, e.g. 10m')
  return ms
}
