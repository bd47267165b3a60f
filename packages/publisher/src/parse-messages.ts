// SPDX-License-Identifier: Apache-2.0
// Both ends check what they hear. @throws TypeError, SyntaxError for everything that the other end never says.
import type { NamePattern } from '@sallyport/access'
import type { FilePublication, ImagePublication, Publication, PublishFailure, PublishOutcome } from './contract.ts'

const FAILURES: readonly PublishFailure[] = ['unreachable', 'certificate', 'timeout', 'refused', 'redirected', 'artifact', 'failed']

type Fields = Record<string, unknown>

export function parsePublication(line: string): Publication {
  const fields = parseObject(line)
  const { kind, bytes, authorities, timeoutMs } = fields
  if (!isCount(bytes) || !isCount(timeoutMs) || (authorities !== null && typeof authorities !== 'string')) throw nonsense()
  const sending = { bytes, authorities, timeoutMs }
  if (kind === 'file') return { kind, ...sending, ...parseFile(fields) }
  if (kind === 'image') return { kind, ...sending, ...parseImage(fields) }
  throw nonsense()
}

function parseFile({ method, url, credential, sha256 }: Fields): Pick<FilePublication, 'method' | 'url' | 'credential' | 'sha256'> {
  if ((method !== 'PUT' && method !== 'POST') || typeof url !== 'string' || !url.startsWith('https://')) throw nonsense()
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) throw nonsense()
  return { method, url, credential: credential === null ? null : parseCredential(credential), sha256 }
}

function parseImage(fields: Fields): Pick<ImagePublication, 'registry' | 'repository' | 'tag' | 'credential' | 'hosts'> {
  const { registry, repository, tag, credential, hosts } = fields
  if (typeof registry !== 'string' || !registry.startsWith('https://') || typeof repository !== 'string' || typeof tag !== 'string')
    throw nonsense()
  if ((credential !== null && typeof credential !== 'string') || !Array.isArray(hosts) || !hosts.every(isPattern)) throw nonsense()
  return { registry, repository, tag, credential, hosts }
}

function isPattern(value: unknown): value is NamePattern {
  return isObject(value) && (value['kind'] === 'exact' || value['kind'] === 'suffix') && typeof value['name'] === 'string'
}

function parseCredential(value: unknown): NonNullable<FilePublication['credential']> {
  if (!isObject(value) || typeof value['header'] !== 'string' || typeof value['value'] !== 'string') throw nonsense()
  return { header: value['header'], value: value['value'] }
}

export function parseOutcome(line: string): PublishOutcome {
  const { published, status, digest, failure, message, mayBeThere } = parseObject(line)
  if (published === true && isCount(status) && (digest === null || typeof digest === 'string')) return { published, status, digest }
  const known = FAILURES.find((each) => each === failure)
  if (published !== false || known === undefined || typeof message !== 'string' || typeof mayBeThere !== 'boolean') throw nonsense()
  return { published, failure: known, message, mayBeThere }
}

function parseObject(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line)
  if (!isObject(value)) throw nonsense()
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function nonsense(): TypeError {
  return new TypeError('a message that makes no sense')
}
