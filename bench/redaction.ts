// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { createSecretSet, type SecretSet } from '@sallyport/redaction'
import { canonicalBytes } from '../packages/redaction/src/canonical.ts'
import { CanonicalScanner } from '../packages/redaction/src/canonical-scanner.ts'
import { deriveAll, deriveForms } from '../packages/redaction/src/forms.ts'
import { IntervalList } from '../packages/redaction/src/interval-list.ts'
import type { BenchRow } from './row.ts'

const CHUNK_BYTES = 64 * 1024
const LOG_BYTES = 16 * 2 ** 20
const WORST_BYTES = 4 * 2 ** 20
const REPEATS = 3

const ALNUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const PRINTABLE = `${ALNUM}+/=-_.!@#$%^&*()`

type Random = (limit: number) => number

/** Deterministic, so that every run measures the same bytes. */
function createRandom(seed: number): Random {
  let state = seed >>> 0
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}

const pick = <T>(random: Random, items: ArrayLike<T>): T => items[random(items.length)] as T
const word = (random: Random, alphabet: string, length: number): string => Array.from({ length }, () => pick(random, alphabet)).join('')

/** Values of 16 to 45 bytes, as tokens and generated passwords are. */
export function makeSecrets(count: number): string[] {
  const random = createRandom(count)
  return Array.from({ length: count }, (_, index) => word(random, index % 2 === 0 ? ALNUM : PRINTABLE, 16 + random(30)))
}

const WORDS =
  'building module compile warning error test passed failed in src lib main utils index from cache restore dependency resolved version using with for the of to and installing package fetching layer digest step run'.split(
    ' ',
  )

/** The kinds of lines that builds print: prose, paths, digests, JSON, progress, base64 integrity. */
const LINES: readonly ((random: Random) => string)[] = [
  (random) => Array.from({ length: 6 + random(12) }, () => pick(random, WORDS)).join(' '),
  (random) =>
    `  at ${pick(random, WORDS)} (/home/runner/work/app/node_modules/${pick(random, WORDS)}/dist/${pick(random, WORDS)}.js:${random(900)}:${random(80)})`,
  (random) => `sha256:${word(random, '0123456789abcdef', 64)}: Pull complete`,
  (random) =>
    `{"level":"info","time":${1_700_000_000_000 + random(1e9)},"msg":"${pick(random, WORDS)} ${pick(random, WORDS)}","pid":${random(65536)}}`,
  (random) => `[${random(100)}%] Building CXX object src/CMakeFiles/${pick(random, WORDS)}.dir/${pick(random, WORDS)}.cpp.o`,
  (random) => `integrity sha512-${word(random, `${ALNUM}+/`, 86)}==`,
  (random) =>
    `npm http fetch GET 200 https://registry.example/${pick(random, WORDS)}/-/${pick(random, WORDS)}-${random(9)}.${random(20)}.${random(9)}.tgz ${random(900)}ms (cache hit)`,
  (random) => `ok ${random(5000)} - ${pick(random, WORDS)} ${pick(random, WORDS)} ${pick(random, WORDS)} (${random(99)}.${random(9)}ms)`,
]

/** The fixed log corpus: 2024-style time stamps before lines of every kind. */
export function makeLog(bytes: number): Buffer {
  const random = createRandom(7)
  const lines: string[] = []
  for (let size = 0; size < bytes; size += lines.at(-1)?.length ?? 0) {
    const stamp = `2024-06-${10 + random(20)}T${10 + random(14)}:${10 + random(50)}:${10 + random(50)}.${1000 + random(9000)}Z `
    lines.push(`${stamp}${pick(random, LINES)(random)}\n`)
  }
  return Buffer.from(lines.join('')).subarray(0, bytes)
}

function setOf(secrets: readonly string[]): SecretSet {
  const set = createSecretSet()
  for (const secret of secrets) set.add(secret)
  return set
}

/** Best of some runs, in MB/s: the machine's other work only ever makes a run slower. */
function throughput(log: Buffer, mask: (log: Buffer) => void, repeats: number = REPEATS): number {
  let best = 0
  for (let run = 0; run < repeats; run += 1) {
    const start = performance.now()
    mask(log)
    best = Math.max(best, log.length / 1e3 / (performance.now() - start))
  }
  return best
}

function streamThrough(set: SecretSet): (log: Buffer) => void {
  return (log) => {
    const stream = set.createStream()
    for (let at = 0; at < log.length; at += CHUNK_BYTES) stream.pieces(log.subarray(at, at + CHUNK_BYTES))
    stream.end()
  }
}

/** The naive masker's cost on a log without secrets: one search for each form. */
function searchEach(forms: readonly Buffer[]): (log: Buffer) => void {
  return (log) => {
    for (const form of forms) if (log.includes(form)) throw new Error('The corpus holds a secret')
  }
}

/** Builds one piece of a log that is meant to be slow. */
type Attack = (random: Random, forms: readonly Buffer[]) => Buffer

const cutOf = (random: Random, form: Buffer, from: number, length: number): Buffer => form.subarray(from, from + length + random(2))

const ATTACKS: Readonly<Record<string, Attack>> = {
  'values in full': (random, forms) => pick(random, forms),
  'one value in full': (_random, forms) => forms[0] as Buffer,
  'values but for the last byte': (random, forms) => pick(random, forms).subarray(0, -1),
  'first 15 bytes of forms': (random, forms) => cutOf(random, pick(random, forms), 0, 15),
  'first 8 bytes of forms': (random, forms) => cutOf(random, pick(random, forms), 0, 8),
  'first 4 bytes of forms': (random, forms) => cutOf(random, pick(random, forms), 0, 4),
  'first 2 bytes of forms': (random, forms) => cutOf(random, pick(random, forms), 0, 2),
  'middles of forms': (random, forms) => cutOf(random, pick(random, forms), 8 + random(6), 4),
  'starts and middles in turn': (random, forms) =>
    Buffer.concat([cutOf(random, pick(random, forms), 0, random(6)), cutOf(random, pick(random, forms), 10, 5)]),
  'starts of any length': (random, forms) => {
    const form = pick(random, forms)
    return form.subarray(0, random(form.length))
  },
  'windows without a jump': (random, forms) => cutOf(random, pick(random, forms), 12, 4),
  'hex digits and separators': (random) => Buffer.from(word(random, '0123456789abcdef:% ', 64)),
  'letters and digits at random': (random) => Buffer.from(word(random, ALNUM, 64)),
  'references that never end': (random) => Buffer.from(`&#x${random(8)}${word(random, '0123456789abcdef', random(2))}`),
  'the same start again and again': (_random, forms) => (forms[0] as Buffer).subarray(0, 9),
}

function makeAttack(attack: Attack, forms: readonly Buffer[], bytes: number): Buffer {
  const random = createRandom(11)
  const parts: Buffer[] = []
  for (let size = 0; size < bytes; size += parts.at(-1)?.length ?? 0) parts.push(attack(random, forms))
  return Buffer.concat(parts).subarray(0, bytes)
}

/** A mixture of attacks with random shares, for the search. */
function mixed(seed: number): Attack {
  const shares = createRandom(seed)
  const chosen = Array.from({ length: 1 + shares(4) }, () => pick(shares, Object.values(ATTACKS)))
  const cut = 1 + shares(24)
  return (random, forms) => pick(random, chosen)(random, forms).subarray(0, cut)
}

interface Slowest {
  readonly name: string
  readonly rate: number
}

function slowestLog(set: SecretSet, forms: readonly Buffer[]): Slowest[] {
  const named = Object.entries(ATTACKS)
  const searched = Array.from({ length: 40 }, (_, seed): [string, Attack] => [`mixture ${seed}`, mixed(seed)])
  const mask = streamThrough(set)
  const quick = [...named, ...searched].map(([name, attack]) => ({
    name,
    attack,
    rate: throughput(makeAttack(attack, forms, 2 ** 20), mask, 2),
  }))
  const slowest = quick.toSorted((a, b) => a.rate - b.rate).slice(0, 3)
  return slowest
    .map(({ name, attack }) => ({ name, rate: throughput(makeAttack(attack, forms, WORST_BYTES), mask, 4) }))
    .toSorted((a, b) => a.rate - b.rate)
}

function benchCount(count: number, log: Buffer): BenchRow[] {
  const secrets = makeSecrets(count)
  const forms = secrets.flatMap((secret) => deriveForms(secret))
  const set = setOf(secrets)
  streamThrough(set)(log)
  const rate = throughput(log, streamThrough(set))
  // The baseline is slow: a part of the log is enough for a steady figure.
  const naive = throughput(log.subarray(0, Math.max(2 ** 16, Math.floor(2 ** 26 / forms.length))), searchEach(forms), 2)
  const [worst] = slowestLog(set, forms)
  return [
    {
      name: `redactor, ${count} secrets, log`,
      value: Math.round(rate),
      unit: 'MB/s',
      note: `${forms.length} forms`,
      ratio: `${(rate / naive).toFixed(0)} × Buffer.indexOf per form`,
    },
    {
      name: `redactor, ${count} secrets, worst log`,
      value: Math.round(worst?.rate ?? 0),
      unit: 'MB/s',
      note: `slowest of 55: ${worst?.name}`,
    },
    {
      name: `Buffer.indexOf per form, ${count} secrets`,
      value: Number(naive.toPrecision(3)),
      unit: 'MB/s',
      note: 'search only, no masking',
    },
  ]
}

/** Values chosen by a job, too: periodic ones, whose every end is a start of them. */
function benchHostileValues(): BenchRow {
  const set = setOf(['a', 'ab', 'aab'].map((unit) => `${unit.repeat(600).slice(0, 1000)}!`))
  const logs = [
    'a'.repeat(WORST_BYTES),
    'ab'.repeat(WORST_BYTES / 2),
    `${'a'.repeat(900)}b`.repeat(4000),
    `${'aab'.repeat(200)}aaab`.repeat(6000),
  ]
  const rate = Math.min(...logs.map((log) => throughput(Buffer.from(log), streamThrough(set), 4)))
  return { name: 'redactor, periodic values, worst log', value: Math.round(rate), unit: 'MB/s' }
}

/** `::add-mask::` line after line, with output between. */
function benchInterleavedAdds(log: Buffer): BenchRow {
  const set = createSecretSet()
  const stream = set.createStream()
  const start = performance.now()
  let accepted = 0
  makeSecrets(10_000).forEach((secret, index) => {
    if (set.add(secret).masked) accepted += 1
    const at = (index * 1024) % (log.length - 1024)
    stream.write(log.subarray(at, at + 1024))
  })
  return {
    name: 'redactor, 10,000 adds with 1 KiB of log between',
    value: Math.round(performance.now() - start),
    unit: 'ms',
    note: `${accepted} fitted the bound`,
  }
}

/** What one set of 1,000 values of 64 bytes takes, before and after a log that leads to every form. */
function benchMemory(): BenchRow[] {
  const random = createRandom(3)
  const secrets = Array.from({ length: 1000 }, () => word(random, PRINTABLE, 64))
  const start = performance.now()
  const forms = secrets.flatMap((secret) => deriveAll(secret).forms)
  const scanner = new CanonicalScanner()
  for (const form of forms) scanner.add(form)
  const addMs = performance.now() - start
  const fresh = scanner.bytes
  scanner.scanner.scan(Buffer.concat(forms.map(canonicalBytes)), 0, new IntervalList())
  return [
    {
      name: 'redactor, memory of 1,000 values of 64 bytes',
      value: Math.round(scanner.bytes / 1e6),
      unit: 'MB',
      note: `${Math.round(fresh / 1e6)} MB before any text; ${(scanner.scanner.formBytes / 64_000).toFixed(0)} bytes of forms a byte`,
    },
    { name: 'redactor, adding 1,000 values of 64 bytes', value: Math.round(addMs), unit: 'ms' },
  ]
}

/** How the number of values and their length tell on a calm log. Values that do not fit the bound are counted. */
function benchCurve(log: Buffer): BenchRow[] {
  const row = (name: string, secrets: readonly string[]): BenchRow => {
    const set = setOf(secrets)
    const rate = throughput(log, streamThrough(set), 4)
    return { name, value: Math.round(rate), unit: 'MB/s', note: `${set.size} of ${secrets.length} fitted the bound` }
  }
  const random = createRandom(5)
  const longer = (length: number): string[] => Array.from({ length: 100 }, () => word(random, ALNUM, length))
  return [
    ...[1, 10, 100, 1000, 10_000].map((count) => row(`redactor, curve: ${count} secrets of 16 to 45 bytes`, makeSecrets(count))),
    ...[8, 16, 64, 256, 1024, 4096].map((length) => row(`redactor, curve: 100 secrets of ${length} bytes`, longer(length))),
  ]
}

export async function run(): Promise<BenchRow[]> {
  const log = makeLog(LOG_BYTES)
  return [
    ...[10, 100, 1000].flatMap((count) => benchCount(count, log)),
    ...benchCurve(log),
    benchHostileValues(),
    benchInterleavedAdds(log),
    ...benchMemory(),
  ]
}
