// SPDX-License-Identifier: Apache-2.0
// Names in wire form. Untrusted: every byte was chosen by the job, or by whoever answers for a name that it asked for.
import { Buffer } from 'node:buffer'
import { LABEL_BYTES_MAX, NAME_BYTES_MAX } from './wire.ts'

/** Pointers in one name; each must lead backwards, so that this bounds work, not only loops. */
const POINTERS_MAX = 32

export interface WireName {
  /**
   * Labels with their length octets in front, A to Z lowered (RFC 4343), as latin1 text: equal texts are equal names, which is not so for dotted text,
   * where a dot inside a label looks like a border.
   */
  readonly key: string
  /** First byte after the name where it stood, behind a pointer if it has one. */
  readonly end: number
}

/** The name at `start`, or null where it is malformed: cut off, too long, a reserved label type, or a pointer that is not allowed or leads nowhere earlier. */
export function readName(message: Buffer, start: number, pointers: 'allowed' | 'refused'): WireName | null {
  let key = ''
  let at = start
  let end: number | null = null
  let followed = 0
  let earliest = start
  for (;;) {
    const length = message[at]
    if (length === undefined) return null
    if (length === 0) return { key, end: end ?? at + 1 }
    if (length <= LABEL_BYTES_MAX) {
      const next = at + 1 + length
      // the final zero octet counts too
      if (next > message.length || key.length + 1 + length + 1 > NAME_BYTES_MAX) return null
      key += lower(message.toString('latin1', at, next))
      at = next
      continue
    }
    const low = message[at + 1]
    if (pointers === 'refused' || length < 0xc0 || low === undefined || followed === POINTERS_MAX) return null
    const target = ((length & 0x3f) << 8) | low
    if (target >= earliest) return null
    end ??= at + 2
    earliest = target
    at = target
    followed += 1
  }
}

/** Only A to Z: other letters of latin1 are bytes of something else. */
function lower(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text
}

/** Dotted text, or null for a name that no host has: empty, or with a byte that is no letter, digit, hyphen or underscore. */
export function hostName(key: string): string | null {
  const labels = labelsOf(key)
  return labels.length > 0 && labels.every((label) => /^[a-z0-9_-]+$/.test(label)) ? labels.join('.') : null
}

/** For messages: printable, with other bytes as `\DDD` (RFC 1035 5.1). */
export function shownName(key: string): string {
  const shown = labelsOf(key).map((label) => label.replace(/[^a-z0-9_-]/g, (byte) => `\\${String(byte.charCodeAt(0)).padStart(3, '0')}`))
  const text = shown.join('.')
  return text === '' ? '.' : text.length > NAME_BYTES_MAX ? `${text.slice(0, NAME_BYTES_MAX)}…` : text
}

function labelsOf(key: string): string[] {
  const labels: string[] = []
  for (let at = 0; at < key.length; ) {
    const next = at + 1 + key.charCodeAt(at)
    labels.push(key.slice(at + 1, next))
    at = next
  }
  return labels
}

/** Wire form of dotted text; null for what is no host's name. */
export function encodeName(name: string): Buffer | null {
  const labels = name.split('.')
  if (!labels.every((label) => label.length <= LABEL_BYTES_MAX && /^[A-Za-z0-9_-]+$/.test(label))) return null
  const wire = Buffer.from(`${labels.map((label) => String.fromCharCode(label.length) + label).join('')}\0`, 'latin1')
  return wire.length <= NAME_BYTES_MAX ? wire : null
}
