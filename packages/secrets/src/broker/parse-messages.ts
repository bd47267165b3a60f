// SPDX-License-Identifier: Apache-2.0
// Both ends check what they hear. @throws TypeError, SyntaxError for everything that the other end never says.
import type { JobFacts, ProviderDescription, SecretAddress, SettingsTree, VersionFacts } from '../contract.ts'
import { type Answer, type BrokerEvent, type FromBroker, MARKS_MAX, type Question, type ToBroker, type Unrevoked } from './messages.ts'

type Fields = Record<string, unknown>

export function parseToBroker(line: string): ToBroker {
  const fields = parseObject(line)
  if (!isCount(fields['id']) || fields['id'] === 0) throw new TypeError('a question without a number')
  return { id: fields['id'], ...parseQuestion(fields) }
}

function parseQuestion(fields: Fields): Question {
  const { type, job, step } = fields
  if (type === 'sweep') return { type }
  if (type === 'configure') return { type, ...parseConfig(fields) }
  if (type === 'hash-marks') return parseHashMarks(fields)
  if (type === 'look' || type === 'rotate' || type === 'replace') return parseRotation(type, fields)
  if (typeof job !== 'string') throw new TypeError('a question that makes no sense')
  if (type === 'open-job' && isIdentity(fields['identity']) && isCount(fields['ttlMs']))
    return { type, job, identity: fields['identity'], ttlMs: fields['ttlMs'] }
  if (type === 'end-job') return { type, job }
  if (typeof step !== 'string') throw new TypeError('a question that makes no sense')
  if (type === 'end-step') return { type, job, step }
  const { provider, address, token } = fields
  if (type === 'read' && typeof provider === 'string' && isAddress(address) && isTextOrNull(token))
    return { type, job, step, provider, address, token }
  throw new TypeError('a question that makes no sense')
}

function parseHashMarks({ provider, device, marks }: Fields): Question {
  if (typeof provider !== 'string' || typeof device !== 'string' || !isTexts(marks) || marks.length > MARKS_MAX)
    throw new TypeError('a question that makes no sense')
  return { type: 'hash-marks', provider, device, marks }
}

function parseRotation(type: 'look' | 'rotate' | 'replace', { provider, address, rotation, old, value }: Fields): Question {
  if (typeof provider !== 'string' || !isAddress(address)) throw new TypeError('a question that makes no sense')
  if (type === 'look') return { type, provider, address }
  if (typeof rotation !== 'string' || !UUID.test(rotation)) throw new TypeError('a rotation without a name')
  if (type === 'rotate') return { type, provider, address, rotation }
  if (typeof old !== 'string' || typeof value !== 'string') throw new TypeError('a replacement without values')
  return { type, provider, address, rotation, old, value }
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function parseConfig({ providers, leaseDirectory, run }: Fields): Omit<Extract<Question, { type: 'configure' }>, 'type'> {
  if (!Array.isArray(providers) || !providers.every(isDescription) || typeof leaseDirectory !== 'string' || typeof run !== 'string')
    throw new TypeError('a configuration that makes no sense')
  return { providers, leaseDirectory, run }
}

function isDescription(value: unknown): value is ProviderDescription {
  return isObject(value) && typeof value['name'] === 'string' && typeof value['kind'] === 'string' && isSettings(value['settings'])
}

function isSettings(value: unknown): value is SettingsTree {
  if (!isObject(value)) return false
  return Object.values(value).every((item) => typeof item === 'string' || isTexts(item) || isSettings(item))
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isIdentity(value: unknown): value is JobFacts {
  if (!isObject(value)) return false
  const { run, job, repository, ref } = value
  return typeof run === 'string' && typeof job === 'string' && [repository, ref].every(isTextOrNull)
}

function isAddress(value: unknown): value is SecretAddress {
  if (!isObject(value)) return false
  const { path, field, version, parameters } = value
  return (
    typeof path === 'string' && isTextOrNull(field) && isTextOrNull(version) && isObject(parameters) && isTexts(Object.values(parameters))
  )
}

export function parseFromBroker(line: string): FromBroker {
  const fields = parseObject(line)
  const { id, type, event } = fields
  if (!isCount(id)) throw new TypeError('an answer without a number')
  if (id > 0) return { id, ...parseAnswer(fields) }
  if (type === 'event' && isEvent(event)) return { id: 0, type, event }
  throw new TypeError('an event that makes no sense')
}

function parseAnswer(answer: Fields): Answer {
  const { type, fields, version, createdAtMs, expiresAtMs, revoked, unrevoked, hashes, code, message, hint } = answer
  if (type === 'done') return { type }
  if (
    type === 'read' &&
    isObject(fields) &&
    isTexts(Object.values(fields)) &&
    isTextOrNull(version) &&
    isCountOrNull(createdAtMs) &&
    isCountOrNull(expiresAtMs)
  )
    return { type, fields: fields as Readonly<Record<string, string>>, version, createdAtMs, expiresAtMs }
  if (type === 'looked') return { type, ...parseFacts(answer) }
  if (type === 'replaced' && typeof version === 'string') return { type, version }
  if (type === 'ended' && isCount(revoked) && Array.isArray(unrevoked) && unrevoked.every(isUnrevoked)) return { type, revoked, unrevoked }
  if (type === 'hashed' && isTexts(hashes)) return { type, hashes }
  if (type === 'refused' && typeof code === 'string' && typeof message === 'string' && isTextOrNull(hint))
    return { type, code, message, hint }
  throw new TypeError('an answer that makes no sense')
}

function parseFacts({ version, createdAtMs, way, isRotating }: Fields): VersionFacts {
  if (!isTextOrNull(version) || !isCountOrNull(createdAtMs) || (way !== 'native' && way !== 'write') || typeof isRotating !== 'boolean')
    throw new TypeError('facts that make no sense')
  return { version, createdAtMs, way, isRotating }
}

const isCountOrNull = (value: unknown): value is number | null => value === null || isCount(value)

function isUnrevoked(value: unknown): value is Unrevoked {
  if (!isObject(value)) return false
  const { provider, job, message, untilMs } = value
  return isTexts([provider, job, message]) && isCount(untilMs)
}

function isEvent(value: unknown): value is BrokerEvent {
  if (!isObject(value) || !isTexts([value['job'], value['provider']])) return false
  if (value['kind'] === 'session') return isTextOrNull(value['run']) && typeof value['mark'] === 'string'
  if (typeof value['step'] !== 'string') return false
  return value['kind'] === 'renewed'
    ? isCount(value['expiresAtMs'])
    : value['kind'] === 'not-renewed' && typeof value['message'] === 'string'
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const isTextOrNull = (value: unknown): value is string | null => value === null || typeof value === 'string'
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function parseObject(line: string): Fields {
  const value: unknown = JSON.parse(line)
  if (!isObject(value)) throw new TypeError('no object')
  return value
}
