// SPDX-License-Identifier: Apache-2.0
// Canonical JSON by the examples of RFC 8785, entries and bundles.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { logEntry } from '../_memory-log.ts'
import { AuditLogError } from '../audit-log-error.ts'
import type { LogEntry } from '../contract.ts'
import { canonicalJson, JSON_DEPTH_MAX } from './canonical-json.ts'
import { BUNDLE_BYTES_MAX, decodeEntries, ENTRY_BYTES_MAX, encodeEntries } from './entry-bundle.ts'
import { commitTo, encodeEntry, parseEntry } from './log-entry.ts'

function isMalformed(error: unknown): boolean {
  return error instanceof AuditLogError && error.code === 'AUDIT_LOG_MALFORMED'
}

describe('canonical JSON', () => {
  it('is that of RFC 8785', () => {
    const value = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    }
    const text =
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    assert.equal(canonicalJson(value), text)
  })

  it('sorts by UTF-16 code units', () => {
    const names = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6']
    const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33']
    const text = canonicalJson(Object.fromEntries(names.map((name) => [name, 0])))
    assert.deepEqual(
      [...text.matchAll(/"([^"]*)":/g)].map(([, name]) => JSON.parse(`"${name}"`)),
      sorted,
    )
  })

  it('writes numbers as ECMAScript does', () => {
    const cases: readonly (readonly [number, string])[] = [
      [0, '0'],
      [-0, '0'],
      [5e-324, '5e-324'],
      [1.7976931348623157e308, '1.7976931348623157e+308'],
      [9007199254740992, '9007199254740992'],
      [295147905179352830000, '295147905179352830000'],
      [9.999999999999997e22, '9.999999999999997e+22'],
      [1e23, '1e+23'],
      [0.000001, '0.000001'],
      [1e-7, '1e-7'],
    ]
    for (const [value, text] of cases) assert.equal(canonicalJson(value), text)
  })

  it('refuses what JSON cannot hold', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    for (const value of [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      undefined,
      1n,
      () => 0,
      Symbol.iterator,
      '\ud800',
      { '\udfff': 1 },
      new Date(0),
      new Map(),
      cycle,
      [undefined],
    ])
      assert.throws(() => canonicalJson(value), TypeError)
    const deep = (depth: number): unknown => (depth === 0 ? 1 : [deep(depth - 1)])
    assert.doesNotThrow(() => canonicalJson(deep(JSON_DEPTH_MAX)))
    assert.throws(() => canonicalJson(deep(JSON_DEPTH_MAX + 1)), TypeError)
  })

  it('reads back as it was, and is one text', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const sound = JSON.parse(JSON.stringify(value).replaceAll(/\\ud[89a-f][0-9a-f]{2}/g, '')) as unknown
        const text = canonicalJson(sound)
        assert.deepEqual(JSON.parse(text), sound)
        assert.equal(canonicalJson(JSON.parse(text)), text)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a log entry', () => {
  const full: LogEntry = {
    v: 1,
    at: '2026-11-29T14:02:00.000Z',
    source: 'run/20261129-1402-abcd',
    seq: 7,
    type: 'step.log',
    job: 'build',
    step: '2.0',
    data: { lines: 3, text: 'ü' },
    private: commitTo(Buffer.alloc(32, 1), Buffer.from('payload')),
  }

  it('is canonical JSON, with what is absent left out', () => {
    const { private: _, data: __, ...bare } = full
    assert.equal(
      Buffer.from(encodeEntry(bare)).toString(),
      '{"at":"2026-11-29T14:02:00.000Z","job":"build","seq":7,"source":"run/20261129-1402-abcd","step":"2.0","type":"step.log","v":1}',
    )
    for (const entry of [full, bare]) assert.deepEqual(parseEntry(encodeEntry(entry)), entry)
  })

  it('is refused in any other form', () => {
    const text = Buffer.from(encodeEntry(full)).toString()
    for (const bad of [
      ...['', '{}', 'null', '[]', '1', `${text} `, ` ${text}`, `${text}${text}`, `\ufeff${text}`, text.slice(1), text.slice(0, -1)],
      ...[
        text.replace('"v":1', '"v":2'),
        text.replace('"v":1', '"v":1.0'),
        text.replace('"v":1', '"v":1,"w":1'),
        text.replace('"seq":7', '"seq":0'),
      ],
      ...[text.replace('"seq":7', '"seq":7.5'), text.replace('"seq":7', '"seq":"7"'), text.replace('14:02:00.000Z', '14:02:00Z')],
      ...[
        text.replace('"job":"build"', '"job":""'),
        text.replace('"job":"build"', '"job":null'),
        text.replace('"data":{', '"data":[{').replace('},"job"', '}],"job"'),
      ],
      ...[text.replace('"bytes":7', '"bytes":-1'), text.replace('"bytes":7', '"bytes":7,"salt":1'), text.replace('ü', '\\u00fc')],
      ...[text.replace('"at"', '"at":"2026-11-29T14:02:00.000Z","at"'), text.replace('{"at"', '{"__proto__":{},"at"')],
    ])
      assert.throws(() => parseEntry(Buffer.from(bad)), isMalformed, bad)
    assert.throws(() => parseEntry(Buffer.from([0xff])), isMalformed)
    assert.throws(() => parseEntry(Buffer.alloc(ENTRY_BYTES_MAX + 1, 0x20)), isMalformed)
    assert.throws(() => parseEntry(Buffer.from('['.repeat(60_000))), isMalformed)
  })

  it('has at most 65,535 bytes', () => {
    const entryOf = (length: number): LogEntry => logEntry('s', 1, { data: { text: 'x'.repeat(length) } })
    const rest = encodeEntry(entryOf(0)).length
    assert.equal(encodeEntry(entryOf(ENTRY_BYTES_MAX - rest)).length, ENTRY_BYTES_MAX)
    assert.throws(() => encodeEntry(entryOf(ENTRY_BYTES_MAX - rest + 1)), isMalformed)
  })

  it('commits to a payload that cannot be guessed without its salt', () => {
    const payload = Buffer.from('yes')
    const [a, b] = [commitTo(Buffer.alloc(32, 1), payload), commitTo(Buffer.alloc(32, 2), payload)]
    assert.notEqual(a.commitment, b.commitment)
    assert.equal(a.bytes, 3)
    assert.throws(() => commitTo(Buffer.alloc(0), payload), RangeError)
  })

  it('is read without trust: whatever bytes there are, it is an entry or refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          try {
            assert.deepEqual(Buffer.from(encodeEntry(parseEntry(bytes))), Buffer.from(bytes))
          } catch (error) {
            assert.ok(isMalformed(error), String(error))
          }
        },
      ),
      { numRuns: 3000 },
    )
  })
})

describe('a bundle of entries', () => {
  it('is lengths and entries, as in C2SP tlog-tiles', () => {
    const bundle = encodeEntries([Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(258, 7)])
    assert.equal(Buffer.from(bundle.subarray(0, 9)).toString('hex'), '00036f6e6500000102')
    assert.deepEqual(
      decodeEntries(bundle).map(({ length }) => length),
      [3, 0, 258],
    )
    assert.equal(encodeEntries([]).length, 0)
  })

  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 256 }), (entries) => {
        assert.deepEqual(
          decodeEntries(encodeEntries(entries)).map((entry) => Buffer.from(entry)),
          entries.map((entry) => Buffer.from(entry)),
        )
      }),
      { numRuns: 200 },
    )
  })

  it('of any bytes is one spelling of its entries, or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        try {
          assert.deepEqual(Buffer.from(encodeEntries(decodeEntries(bytes))), Buffer.from(bytes))
        } catch (error) {
          assert.ok(isMalformed(error), String(error))
        }
      }),
      { numRuns: 5000 },
    )
  })

  it('has at most 256 entries of at most 65,535 bytes', () => {
    assert.equal(encodeEntries(Array.from({ length: 256 }, () => Buffer.alloc(ENTRY_BYTES_MAX))).length, BUNDLE_BYTES_MAX)
    assert.throws(() => encodeEntries(Array.from({ length: 257 }, () => Buffer.alloc(0))), RangeError)
    assert.throws(() => encodeEntries([Buffer.alloc(ENTRY_BYTES_MAX + 1)]), RangeError)
    assert.throws(() => decodeEntries(Buffer.alloc(257 * 2)), isMalformed)
    for (const bytes of [[0], [0, 1], [0, 2, 1], [0, 0, 0]]) assert.throws(() => decodeEntries(Buffer.from(bytes)), isMalformed)
  })
})
