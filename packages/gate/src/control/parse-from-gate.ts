// SPDX-License-Identifier: Apache-2.0
// The gate parses what a job sends, so what it says may be what a job makes it say: the supervisor takes from each line what it knows, in the
// shape that it knows, and believes no gate that says anything else.
import type { DoorUse, Protocol, Refusal, RefusalCode } from '@sallyport/access'
import type { AlertKind, FromGate, TokenQuestion } from '../contract.ts'
import { plainText } from './plain-text.ts'
import { isTokenText } from './token-text.ts'

/** Of one line: a whole report of a step (see steps/step-report.ts) stays below it. */
export const FROM_GATE_BYTES_MAX: number = 1024 * 1024

const TEXT_MAX = 1000
const AUTHORITY_MAX = 16 * 1024
const LIST_MAX = 1000

const refusalCodes: Readonly<Record<RefusalCode, true>> = {
  'no-rule': true,
  ceiling: true,
  protocol: true,
  'server-name': true,
  'host-header': true,
  method: true,
  path: true,
  graphql: true,
  upgrade: true,
  malformed: true,
  address: true,
  unresolved: true,
  unreachable: true,
  'upstream-certificate': true,
  budget: true,
  executable: true,
  placeholder: true,
  signature: true,
  connections: true,
  'step-ended': true,
  datagram: true,
}
const alertKinds: Readonly<Record<AlertKind, true>> = {
  budget: true,
  placeholder: true,
  honeytoken: true,
  echo: true,
  upload: true,
  'name-flood': true,
  'connection-flood': true,
}
const protocols: Readonly<Record<Protocol, true>> = { tls: true, http: true, ssh: true, tcp: true, udp: true }

/**
 * One line of the gate's, with its texts cut and cleaned.
 * @throws TypeError for what is no message of `FromGate`.
 */
export function parseFromGate(line: string): FromGate {
  const message = record(parseJson(line))
  switch (message['type']) {
    case 'ready':
      return { type: 'ready', authority: orNull(message['authority'], authority) }
    case 'step-open':
      return { type: 'step-open', step: text(message['step']) }
    case 'substituting':
      return { type: 'substituting', step: text(message['step']), open: message['open'] === true }
    case 'step-closed':
      return {
        type: 'step-closed',
        step: text(message['step']),
        used: list(message['used'], doorUse),
        refused: list(message['refused'], (item) => {
          const { refusal: of, count } = record(item)
          return { refusal: refusal(of), count: whole(count) }
        }),
        refusedMore: whole(message['refusedMore']),
      }
    case 'refused':
      return { type: 'refused', step: text(message['step']), refusal: refusal(message['refusal']) }
    case 'used':
      return { type: 'used', step: text(message['step']), ...place(message), rule: orNull(message['rule'], text) }
    case 'alert':
      return {
        type: 'alert',
        step: text(message['step']),
        kind: oneOf(alertKinds, message['kind']),
        detail: text(message['detail']),
        bytes: orNull(message['bytes'], whole),
      }
    case 'whose':
      return { type: 'whose', id: whole(message['id']), step: text(message['step']), port: port(message['port']) }
    case 'token':
      return { type: 'token', id: whole(message['id']), step: text(message['step']), question: tokenQuestion(message['question']) }
    case 'failed':
      return { type: 'failed', message: text(message['message']) }
    default:
      throw new TypeError('a message of no known type')
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    // the parser's own message quotes the line
    throw new TypeError('a line that is no JSON', { cause: error })
  }
}

/** It is compared, so it is refused rather than cleaned. */
function tokenQuestion(value: unknown): TokenQuestion {
  const { method, target, authorization } = record(value)
  if (!isTokenText(method) || !isTokenText(target) || (authorization !== null && !isTokenText(authorization)))
    throw new TypeError('no request for a token where one has to be')
  return { method, target, authorization }
}

function refusal(value: unknown): Refusal {
  const fields = record(value)
  return {
    code: oneOf(refusalCodes, fields['code']),
    target: text(fields['target']),
    reason: text(fields['reason']),
    rule: orNull(fields['rule'], text),
    remedy: orNull(fields['remedy'], text),
  }
}

function doorUse(value: unknown): DoorUse {
  const fields = record(value)
  return {
    ...place(fields),
    protocol: oneOf(protocols, fields['protocol']),
    rule: orNull(fields['rule'], text),
    connections: whole(fields['connections']),
    bytesOut: whole(fields['bytesOut']),
    bytesIn: whole(fields['bytesIn']),
    requests: list(fields['requests'], (item) => {
      const { method, path, count, graphql, websocket } = record(item)
      return { method: text(method), path: text(path), count: whole(count), graphql: flag(graphql), websocket: flag(websocket) }
    }),
    requestsMore: whole(fields['requestsMore']),
  }
}

function place(fields: Readonly<Record<string, unknown>>): { host: string; port: number } {
  return { host: text(fields['host']), port: port(fields['port']) }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('no object where one has to be')
  return value as Record<string, unknown>
}

function list<T>(value: unknown, item: (value: unknown) => T): T[] {
  if (!Array.isArray(value) || value.length > LIST_MAX) throw new TypeError('no list, or one that is too long')
  return value.map(item)
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('no text where it has to be')
  return plainText(value, TEXT_MAX)
}

function authority(value: unknown): string {
  if (
    typeof value !== 'string' ||
    value.length > AUTHORITY_MAX ||
    !/^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n?$/.test(value)
  ) {
    throw new TypeError('no certificate where one has to be')
  }
  return value
}

function whole(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new TypeError('no whole number where one has to be')
  return value
}

function port(value: unknown): number {
  const number = whole(value)
  if (number > 65_535) throw new TypeError('no port where one has to be')
  return number
}

function flag(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new TypeError('no true or false where one has to be')
  return value
}

function oneOf<Word extends string>(words: Readonly<Record<Word, true>>, value: unknown): Word {
  if (typeof value !== 'string' || !Object.hasOwn(words, value)) throw new TypeError('an unknown word')
  return value as Word
}

function orNull<T>(value: unknown, parse: (value: unknown) => T): T | null {
  return value === null ? null : parse(value)
}
