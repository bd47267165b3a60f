// SPDX-License-Identifier: Apache-2.0
// Our own questions to a real name server, and its answers. Untrusted: whoever owns an allowed name chooses what the answer says; whoever is near the
// wire may send one in the server's name.
import { Buffer } from 'node:buffer'
import { encodeName, readName } from './name.ts'
import { CLASS_IN, FLAG, HEADER_BYTES, RCODE, RECORD } from './wire.ts'

export type AddressType = typeof RECORD.a | typeof RECORD.aaaa

export interface Question {
  readonly message: Buffer
  readonly type: AddressType
}

/** Null for what is no host's name. Random id and random letter case (0x20): an answer that was sent blindly has to guess both, and the port. Without EDNS, as glibc asks. */
export function createQuestion(name: string, type: AddressType): Question | null {
  const wire = encodeName(name)
  if (wire === null) return null
  // Loaded with the first question: at the gate's start it is a tenth of what that takes.
  const chance = process.getBuiltinModule('node:crypto').randomBytes(2 + wire.length)
  for (const [index, byte] of wire.entries()) {
    const isLetter = (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122)
    if (isLetter && ((chance[2 + index] as number) & 1) === 1) wire[index] = byte ^ 0x20
  }
  const message = Buffer.alloc(HEADER_BYTES + wire.length + 4)
  chance.copy(message, 0, 0, 2)
  message.writeUInt16BE(FLAG.recursionDesired, 2)
  message.writeUInt16BE(1, 4)
  wire.copy(message, HEADER_BYTES)
  message.writeUInt16BE(type, HEADER_BYTES + wire.length)
  message.writeUInt16BE(CLASS_IN, HEADER_BYTES + wire.length + 2)
  return { message, type }
}

export type ParsedResponse =
  /** Not to this question: ignored, the true answer may still come. */
  | { readonly kind: 'foreign' }
  /** To be asked again over TCP, which nobody answers blindly: it is cut off, or the server (or a forger) does not keep letter case. */
  | { readonly kind: 'over-tcp' }
  /** This server does not know; another may. */
  | { readonly kind: 'failed'; readonly why: string }
  /** Final; no addresses where the name has none. `ttlSeconds`: the shortest of what led there. */
  | { readonly kind: 'answer'; readonly addresses: readonly string[]; readonly ttlSeconds: number }

export function parseResponse(message: Buffer, question: Question, over: 'udp' | 'tcp'): ParsedResponse {
  const asked = question.message
  if (message.length < asked.length || message.readUInt16BE(0) !== asked.readUInt16BE(0)) return { kind: 'foreign' }
  const flags = message.readUInt16BE(2)
  if ((flags & FLAG.response) === 0 || (flags & 0x7800) !== 0 || message.readUInt16BE(4) !== 1) return { kind: 'foreign' }
  if (!message.subarray(HEADER_BYTES, asked.length).equals(asked.subarray(HEADER_BYTES))) {
    if (!isSameButForCase(message, asked)) return { kind: 'foreign' }
    if (over === 'udp') return { kind: 'over-tcp' }
  }
  if ((flags & FLAG.truncated) !== 0) return over === 'udp' ? { kind: 'over-tcp' } : { kind: 'failed', why: 'its answer was cut off' }
  const code = flags & 15
  if (code === RCODE.noSuchName) return { kind: 'answer', addresses: [], ttlSeconds: 0 }
  if (code !== RCODE.ok) return { kind: 'failed', why: `it answered with code ${code}` }
  return readAddresses(message, question) ?? { kind: 'failed', why: 'its answer was malformed' }
}

function isSameButForCase(message: Buffer, asked: Buffer): boolean {
  const name = readName(message, HEADER_BYTES, 'refused')
  const askedName = readName(asked, HEADER_BYTES, 'refused')
  if (name === null || name.key !== askedName?.key) return false
  return message.subarray(name.end, name.end + 4).equals(asked.subarray(name.end, name.end + 4))
}

/** Records that are read, aliases that are followed, and addresses that are taken from one answer. A large site has a dozen. */
const RECORDS_MAX = 128
const ALIASES_MAX = 12
const ADDRESSES_MAX = 16

interface AnswerRecord {
  readonly owner: string
  readonly ttlSeconds: number
  /** An alias' target as a name key, or an address. */
  readonly value: string
}

/** Follows aliases only as far as this very answer holds them. Null for malformed. */
function readAddresses(message: Buffer, { message: asked, type }: Question): ParsedResponse | null {
  const records = readRecords(message, asked.length, type)
  if (records === null) return null
  let name = (readName(asked, HEADER_BYTES, 'refused') as { key: string }).key
  let ttlSeconds = Number.POSITIVE_INFINITY
  for (let aliases = 0; aliases <= ALIASES_MAX; aliases += 1) {
    const found = records.addresses.filter(({ owner }) => owner === name).slice(0, ADDRESSES_MAX)
    if (found.length > 0) {
      const addresses = [...new Set(found.map(({ value }) => value))]
      return { kind: 'answer', addresses, ttlSeconds: Math.min(ttlSeconds, ...found.map((record) => record.ttlSeconds)) }
    }
    const alias = records.aliases.find(({ owner }) => owner === name)
    if (alias === undefined) return { kind: 'answer', addresses: [], ttlSeconds: 0 }
    ttlSeconds = Math.min(ttlSeconds, alias.ttlSeconds)
    name = alias.value
  }
  return null
}

function readRecords(message: Buffer, start: number, type: AddressType): { aliases: AnswerRecord[]; addresses: AnswerRecord[] } | null {
  const aliases: AnswerRecord[] = []
  const addresses: AnswerRecord[] = []
  const count = Math.min(message.readUInt16BE(6), RECORDS_MAX)
  for (let index = 0, at = start; index < count; index += 1) {
    const owner = readName(message, at, 'allowed')
    if (owner === null || owner.end + 10 > message.length) return null
    const data = owner.end + 10
    at = data + message.readUInt16BE(owner.end + 8)
    if (at > message.length) return null
    if (message.readUInt16BE(owner.end + 2) !== CLASS_IN) continue
    const recordType = message.readUInt16BE(owner.end)
    const ttlSeconds = ttlOf(message.readUInt32BE(owner.end + 4))
    if (recordType === RECORD.cname) {
      const target = readName(message, data, 'allowed')
      if (target === null) return null
      aliases.push({ owner: owner.key, ttlSeconds, value: target.key })
    } else if (recordType === type) {
      const value = addressText(message.subarray(data, at), type)
      if (value === null) return null
      addresses.push({ owner: owner.key, ttlSeconds, value })
    }
  }
  return { aliases, addresses }
}

/** RFC 2181 section 8: with the top bit set it is zero. */
function ttlOf(seconds: number): number {
  return seconds > 0x7fffffff ? 0 : seconds
}

function addressText(data: Buffer, type: AddressType): string | null {
  if (type === RECORD.a) return data.length === 4 ? data.join('.') : null
  if (data.length !== 16) return null
  return Array.from({ length: 8 }, (_, index) => data.readUInt16BE(2 * index).toString(16)).join(':')
}
