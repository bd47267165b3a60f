// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { NamePattern } from './contract.ts'

/** `name` in lower case, without a final dot. Compared label by label: `evilexample.test` is not below `example.test`. */
export function matchesName(pattern: NamePattern, name: string): boolean {
  return pattern.kind === 'exact' ? name === pattern.name : name.endsWith(`.${pattern.name}`) && name.length > pattern.name.length + 1
}

/** The names that both patterns match; null when there are none. */
export function intersectNames(left: NamePattern, right: NamePattern): NamePattern | null {
  if (left.kind === 'exact') return matchesName(right, left.name) ? left : null
  if (right.kind === 'exact') return matchesName(left, right.name) ? right : null
  if (left.name === right.name || left.name.endsWith(`.${right.name}`)) return left
  return right.name.endsWith(`.${left.name}`) ? right : null
}

export function formatName({ kind, name }: NamePattern): string {
  return kind === 'suffix' ? `*.${name}` : name
}

export interface Flaw {
  readonly message: string
  readonly suggestion: string | null
}

const NAME_LENGTH_MAX = 253
const LABEL_LENGTH_MAX = 63

/**
 * A host name as RFC 1123 (2.1) has it, or `*.` before one. In any case; other forms of the same name (a final dot, an internationalised
 * name that is not encoded) are refused with the form that is meant, because programs disagree about them.
 */
export function parseNamePattern(text: string): NamePattern | Flaw {
  const isSuffix = text.startsWith('*.')
  const name = (isSuffix ? text.slice(2) : text).toLowerCase()
  const flaw = starFlaw(text, isSuffix) ?? characterFlaw(name) ?? labelFlaw(name) ?? placeFlaw(name, isSuffix)
  return flaw ?? { kind: isSuffix ? 'suffix' : 'exact', name }
}

export function isFlaw(parsed: object): parsed is Flaw {
  return 'message' in parsed
}

function starFlaw(text: string, isSuffix: boolean): Flaw | null {
  if (text === '*' || text === '*.')
    return { message: 'every host there is cannot be a rule', suggestion: 'name the hosts; --egress observe shows which ones are used' }
  if (!(isSuffix ? text.slice(2) : text).includes('*')) return null
  return {
    message: `${quote(text)} has a * that is not its whole first label`,
    suggestion: 'write *.example.test for all names below example.test',
  }
}

/** Dots of other scripts become `.` when a name is made ASCII (UTS 46): U+3002, U+FF0E, U+FF61. */
const OTHER_DOTS = /[\u3002\uff0e\uff61]/

function characterFlaw(name: string): Flaw | null {
  if (name === '') return { message: 'a host name is missing', suggestion: null }
  if (OTHER_DOTS.test(name)) return { message: `${quote(name)} has dots that are none in ASCII`, suggestion: 'write each as "."' }
  if (/[^\x00-\x7f]/.test(name))
    return { message: `${quote(name)} is an internationalised name`, suggestion: 'write it in its ASCII form, which begins with xn--' }
  if (/^[a-z][a-z0-9+.-]*:\/\//.test(name)) return { message: `${quote(name)} is a URL`, suggestion: 'write the host and the port only' }
  const odd = /[^a-z0-9.-]/.exec(name)?.[0]
  return odd === undefined ? null : { message: `${quote(odd)} cannot be in a host name`, suggestion: 'letters, digits, - and . can' }
}

function labelFlaw(name: string): Flaw | null {
  if (name.endsWith('.')) return { message: `${quote(name)} ends with a dot`, suggestion: `write ${name.replace(/\.+$/, '')}` }
  if (name.length > NAME_LENGTH_MAX) return { message: `a host name has at most ${NAME_LENGTH_MAX} characters`, suggestion: null }
  const labels = name.split('.')
  if (labels.some((label) => label === '')) return { message: `${quote(name)} has an empty label`, suggestion: 'remove a dot' }
  if (labels.some((label) => label.length > LABEL_LENGTH_MAX))
    return { message: `a label of a host name has at most ${LABEL_LENGTH_MAX} characters`, suggestion: null }
  const dashed = labels.find((label) => label.startsWith('-') || label.endsWith('-'))
  if (dashed !== undefined) return { message: `the label ${quote(dashed)} begins or ends with -`, suggestion: null }
  // The C library reads `0x7f.1` and `127.1` as addresses; so does every URL parser (WHATWG URL, "ends in a number").
  if (/^([0-9]+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? ''))
    return { message: `${quote(name)} is neither a host name nor an address in its full form`, suggestion: 'write an address as 192.0.2.1' }
  return null
}

function placeFlaw(name: string, isSuffix: boolean): Flaw | null {
  if (/(^|\.)localhost$/.test(name))
    return { message: `${quote(name)} is the job itself`, suggestion: 'no rule is needed for what a job serves to itself' }
  if (!isSuffix || name.includes('.')) return null
  return { message: `*.${name} is a whole top-level domain`, suggestion: `name the domain too: *.example.${name}` }
}
