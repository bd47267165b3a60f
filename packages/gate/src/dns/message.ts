// SPDX-License-Identifier: Apache-2.0
// Questions of the job, and our answers. Untrusted: every byte of a question. Strict: what is not one plain question is answered with an error, or not at all.
import { Buffer } from 'node:buffer'
import { encodeName, hostName, readName, shownName } from './name.ts'
import { CLASS_IN, FLAG, HEADER_BYTES, RCODE, RECORD } from './wire.ts'

/** Seconds. Short: what a name stands for is void when its step ends. */
const TTL_SECONDS = 30
/** Said in EDNS: what passes every link unfragmented (dnsflagday.net/2020). */
const UDP_BYTES = 1232
/** Keeps every answer within the 512 bytes that a client without EDNS can take, so that none is ever truncated. */
const ERROR_TEXT_BYTES_MAX = 160

export interface Query {
  readonly id: number
  readonly flags: number
  /** As it came, letter case too: clients that mix it (0x20) compare the echo. Null where there is none to echo. */
  readonly question: Buffer | null
  /** Lower case, no final dot. Null for the root and for names that no host has. */
  readonly name: string | null
  /** For messages, never for a decision. */
  readonly shownName: string
  readonly type: number
  readonly class: number
  /** The client speaks EDNS. */
  readonly edns: boolean
}

export type ParsedQuery =
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'malformed'; readonly query: Query; readonly code: number }
  /** Nothing that may be answered: too short for a header, or itself an answer (two answerers would talk for ever). */
  | { readonly kind: 'silent' }

export function parseQuery(message: Buffer): ParsedQuery {
  if (message.length < HEADER_BYTES) return { kind: 'silent' }
  const flags = message.readUInt16BE(2)
  if ((flags & FLAG.response) !== 0) return { kind: 'silent' }
  const bare: Query = { id: message.readUInt16BE(0), flags, question: null, name: null, shownName: '', type: 0, class: 0, edns: false }
  const malformed = (query: Query, code: number = RCODE.malformed): ParsedQuery => ({ kind: 'malformed', query, code })

  if ((flags & 0x7800) !== 0) return malformed(bare, RCODE.notImplemented)
  const questions = message.readUInt16BE(4)
  const records = message.readUInt16BE(6) + message.readUInt16BE(8)
  const additional = message.readUInt16BE(10)
  if (questions !== 1 || records !== 0 || additional > 1) return malformed(bare)

  // the only thing before the first name is the header: no pointer of a question can be a good one
  const name = readName(message, HEADER_BYTES, 'refused')
  if (name === null || name.end + 4 > message.length) return malformed(bare)
  const query: Query = {
    ...bare,
    question: message.subarray(HEADER_BYTES, name.end + 4),
    name: hostName(name.key),
    shownName: shownName(name.key),
    type: message.readUInt16BE(name.end),
    class: message.readUInt16BE(name.end + 2),
  }
  const optAt = name.end + 4
  if (additional === 0) return optAt === message.length ? { kind: 'query', query } : malformed(query)
  const version = ednsVersion(message, optAt)
  if (version === null) return malformed(query)
  const withEdns = { ...query, edns: true }
  return version === 0 ? { kind: 'query', query: withEdns } : malformed(withEdns, RCODE.badVersion)
}

/** The version in the OPT record at `at` (RFC 6891 6.1.2), or null unless that record is whole and the message's end. Its options ask for nothing that we do. */
function ednsVersion(message: Buffer, at: number): number | null {
  const fixed = 11
  if (at + fixed > message.length || message[at] !== 0 || message.readUInt16BE(at + 1) !== RECORD.opt) return null
  const end = at + fixed + message.readUInt16BE(at + 9)
  if (end !== message.length) return null
  let option = at + fixed
  while (option < end) {
    if (option + 4 > end) return null
    option += 4 + message.readUInt16BE(option + 2)
  }
  return option === end ? (message[at + 6] as number) : null
}

export interface ExtendedError {
  readonly code: number
  /** For people; cut, never with control characters. */
  readonly text: string
}

export interface Answer {
  readonly code: number
  /** The one record of the answer. */
  readonly record?: { readonly type: number; readonly data: Buffer }
  readonly error?: ExtendedError
}

/** At most 512 bytes, whatever was asked. */
export function buildResponse(query: Query, answer: Answer): Buffer {
  const { record } = answer
  const isNegative = query.question !== null && record === undefined && (answer.code === RCODE.ok || answer.code === RCODE.noSuchName)
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt16BE(query.id, 0)
  const kept = query.flags & (0x7800 | FLAG.recursionDesired | FLAG.checkingDisabled)
  header.writeUInt16BE(FLAG.response | FLAG.recursionAvailable | kept | (answer.code & 15), 2)
  header.writeUInt16BE(query.question === null ? 0 : 1, 4)
  header.writeUInt16BE(record === undefined ? 0 : 1, 6)
  header.writeUInt16BE(isNegative ? 1 : 0, 8)
  header.writeUInt16BE(query.edns ? 1 : 0, 10)
  const parts: Buffer[] = [header]
  if (query.question !== null) parts.push(query.question)
  if (record !== undefined) parts.push(recordOf(NAME_OF_QUESTION, record.type, record.data))
  if (isNegative) parts.push(NEGATIVE_AUTHORITY)
  if (query.edns) parts.push(optRecord(answer))
  return Buffer.concat(parts)
}

/** A pointer to the first byte after the header. */
const NAME_OF_QUESTION: Buffer = Buffer.from([0xc0, HEADER_BYTES])
const ROOT: Buffer = Buffer.from([0])

function recordOf(owner: Buffer, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(CLASS_IN, 2)
  fixed.writeUInt32BE(TTL_SECONDS, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([owner, fixed, data])
}

/** RFC 2308: without an SOA record a resolver inside the job would not keep, and some would not believe, a negative answer. */
const NEGATIVE_AUTHORITY: Buffer = recordOf(ROOT, RECORD.soa, startOfAuthority())

function startOfAuthority(): Buffer {
  const numbers = Buffer.alloc(20)
  for (const [index, seconds] of [1, TTL_SECONDS, TTL_SECONDS, TTL_SECONDS, TTL_SECONDS].entries())
    numbers.writeUInt32BE(seconds, index * 4)
  const name = encodeName('gate.invalid') as Buffer
  return Buffer.concat([name, name, numbers])
}

function optRecord({ code, error }: Answer): Buffer {
  const text = Buffer.from(error === undefined ? '' : asciiOf(error.text), 'latin1')
  const option = error === undefined ? 0 : 4 + 2 + text.length
  const record = Buffer.alloc(11 + option)
  record.writeUInt16BE(RECORD.opt, 1)
  record.writeUInt16BE(UDP_BYTES, 3)
  record[5] = code >> 4
  record.writeUInt16BE(option, 9)
  if (error === undefined) return record
  record.writeUInt16BE(15, 11)
  record.writeUInt16BE(2 + text.length, 13)
  record.writeUInt16BE(error.code, 15)
  text.copy(record, 17)
  return record
}

/** The text holds the asked name: a job must not write to the terminal of whoever runs dig. */
function asciiOf(text: string): string {
  return text.replace(/[^ -~]/g, '?').slice(0, ERROR_TEXT_BYTES_MAX)
}
