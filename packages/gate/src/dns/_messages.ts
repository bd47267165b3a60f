// SPDX-License-Identifier: Apache-2.0
// Messages as clients make them, and a reader of answers that shares nothing with the code under test.
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'

export interface QuestionParts {
  readonly id?: number
  readonly flags?: number
  readonly type?: number
  readonly class?: number
  /** OPT record and whatever else comes after the question; the count of additional records is then 1. */
  readonly additional?: Buffer
}

export function wireName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.')
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')])),
    Buffer.from([0]),
  ])
}

export function u16(...values: number[]): Buffer {
  return Buffer.concat(values.map((value) => Buffer.from([value >> 8, value & 255])))
}

export function questionMessage(name: string | Buffer, parts: QuestionParts = {}): Buffer {
  const header = u16(parts.id ?? 0x1234, parts.flags ?? 0x0100, 1, 0, 0, parts.additional === undefined ? 0 : 1)
  const question = Buffer.concat([typeof name === 'string' ? wireName(name) : name, u16(parts.type ?? 1, parts.class ?? 1)])
  return Buffer.concat([header, question, parts.additional ?? Buffer.alloc(0)])
}

export function optRecord(options: Buffer = Buffer.alloc(0), { size = 1232, version = 0 } = {}): Buffer {
  return Buffer.concat([Buffer.from([0]), u16(41, size), Buffer.from([0, version]), u16(0, options.length), options])
}

export interface ReadRecord {
  readonly type: number
  readonly class: number
  readonly ttl: number
  readonly data: Buffer
}

export interface ReadAnswer {
  readonly id: number
  readonly flags: number
  readonly code: number
  readonly question: Buffer
  readonly answers: readonly ReadRecord[]
  readonly authorities: readonly ReadRecord[]
  readonly extended: { readonly code: number; readonly text: string } | null
  readonly hasOpt: boolean
}

/** Asserts that every byte of the message belongs to something. */
export function readAnswer(message: Buffer | null): ReadAnswer {
  assert.ok(message !== null, 'an answer')
  assert.ok(message.length <= 512, `${message.length} bytes`)
  let at = 12
  const skipName = (): void => {
    for (;;) {
      const length = message.readUInt8(at)
      at += length >= 0xc0 ? 2 : 1 + length
      if (length === 0 || length >= 0xc0) return
    }
  }
  const records = (count: number): ReadRecord[] =>
    Array.from({ length: count }, () => {
      skipName()
      const fixed = { type: message.readUInt16BE(at), class: message.readUInt16BE(at + 2), ttl: message.readUInt32BE(at + 4) }
      const length = message.readUInt16BE(at + 8)
      at += 10 + length
      assert.ok(at <= message.length)
      return { ...fixed, data: message.subarray(at - length, at) }
    })
  if (message.readUInt16BE(4) === 1) {
    skipName()
    at += 4
  }
  const question = message.subarray(12, at)
  const answers = records(message.readUInt16BE(6))
  const authorities = records(message.readUInt16BE(8))
  const [opt, ...more] = records(message.readUInt16BE(10))
  assert.equal(at, message.length)
  assert.equal(more.length, 0)
  const option = opt !== undefined && opt.data.length > 0 ? opt.data : null
  if (option !== null) assert.deepEqual([option.readUInt16BE(0), option.readUInt16BE(2)], [15, option.length - 4])
  return {
    id: message.readUInt16BE(0),
    flags: message.readUInt16BE(2),
    code: (message.readUInt16BE(2) & 15) | (opt === undefined ? 0 : (opt.ttl >>> 24) << 4),
    question,
    answers,
    authorities,
    extended: option === null ? null : { code: option.readUInt16BE(4), text: option.toString('latin1', 6) },
    hasOpt: opt !== undefined,
  }
}
