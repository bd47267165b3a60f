// SPDX-License-Identifier: Apache-2.0
// C2SP tlog-policy: which logs, which witnesses, and how many of them.
import { Buffer } from 'node:buffer'
import { AuditLogError, malformed } from '../audit-log-error.ts'
import { parseVerifierKey, SIGNATURE_TYPE, type VerifierKey } from '../note/verifier-key.ts'
import { decodeUtf8, formatBase64 } from '../text.ts'

export interface Policy {
  readonly logs: readonly PolicyLog[]
  readonly witnesses: readonly PolicyWitness[]
  readonly groups: readonly PolicyGroup[]
  /** Name of a witness or group; null for `none`. */
  readonly quorum: string | null
}

export interface PolicyLog {
  /** Its name is the log's origin. */
  readonly key: VerifierKey
  readonly url: string | null
}

export interface PolicyWitness {
  /** Within the policy; the key has a name of its own. */
  readonly name: string
  readonly key: VerifierKey
  readonly url: string | null
}

export interface PolicyGroup {
  readonly name: string
  /** How many of the members, 1 to all. */
  readonly threshold: number
  /** Witnesses, and groups that are defined before. */
  readonly members: readonly string[]
}

const WHAT = 'policy'
const POLICY_BYTES_MAX = 1024 * 1024
/** Of logs, witnesses, groups, each; the specification asks for 32. */
const ITEMS_MAX = 1000
const NONE = 'none'

/** @throws AuditLogError `AUDIT_LOG_MALFORMED`, with the number of the line. */
export function parsePolicy(bytes: Uint8Array): Policy {
  if (bytes.length > POLICY_BYTES_MAX) throw malformed(WHAT, `it is longer than ${POLICY_BYTES_MAX} bytes`)
  const text = Buffer.from(bytes).toString('latin1')
  if (/[\0-\x08\x0b-\x1f\x7f]/.test(text)) throw malformed(WHAT, 'it has a control character')
  if (!text.endsWith('\n')) throw malformed(WHAT, 'its last line does not end in a newline')
  const draft = new PolicyDraft()
  for (const [index, line] of text.slice(0, -1).split('\n').entries()) {
    const [keyword = '', ...words] = line
      .split(/[ \t]+/)
      .filter((word) => word !== '')
      .map(opaqueWord)
    if (keyword !== '' && !keyword.startsWith('#')) atLine(index + 1, () => draft.add(keyword, words))
  }
  return draft.finish()
}

/**
 * Octets above 0x7F are opaque: a word is readable where it is UTF-8, and where it is not, those octets become code units that no UTF-8 decodes to,
 * so that different words stay different. `word`: an octet is a code unit.
 */
function opaqueWord(word: string): string {
  const octets = Buffer.from(word, 'latin1')
  return decodeUtf8(octets) ?? Array.from(octets, (octet) => String.fromCharCode(octet < 0x80 ? octet : 0xdc00 + octet)).join('')
}

function atLine(line: number, read: () => void): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof AuditLogError)) throw error
    throw new AuditLogError(error.code, `${error.message} (line ${line})`, { cause: error, details: { line } })
  }
}

class PolicyDraft {
  readonly #logs: PolicyLog[] = []
  readonly #witnesses: PolicyWitness[] = []
  readonly #groups: PolicyGroup[] = []
  /** Names that a group or the quorum may refer to. */
  readonly #names = new Set<string>()
  readonly #members = new Set<string>()
  #quorum: string | null | undefined

  add(keyword: string, words: readonly string[]): void {
    if (keyword === 'log') this.#addLog(words)
    else if (keyword === 'witness') this.#addWitness(words)
    else if (keyword === 'group') this.#addGroup(words)
    else if (keyword === 'quorum') this.#setQuorum(words)
    else throw malformed(WHAT, 'a line begins with none of log, witness, group, quorum')
  }

  finish(): Policy {
    if (this.#quorum === undefined) throw malformed(WHAT, 'it has no quorum line')
    return { logs: this.#logs, witnesses: this.#witnesses, groups: this.#groups, quorum: this.#quorum }
  }

  #addLog(words: readonly string[]): void {
    const [encoded, url = null, ...more] = words
    if (encoded === undefined || more.length > 0) throw malformed(WHAT, 'a log is: log KEY [URL]')
    // Any type of note signature will do for a log
    push(this.#logs, { key: newKey(encoded, this.#logs), url })
  }

  #addWitness(words: readonly string[]): void {
    const [name, encoded, url = null, ...more] = words
    if (name === undefined || encoded === undefined || more.length > 0) throw malformed(WHAT, 'a witness is: witness NAME KEY [URL]')
    const key = newKey(encoded, this.#witnesses)
    if (key.type !== SIGNATURE_TYPE.cosignature) throw malformed(WHAT, 'the key of a witness is not of type cosignature (4)')
    this.#define(name)
    push(this.#witnesses, { name, key, url })
  }

  #addGroup(words: readonly string[]): void {
    const [name, count, ...members] = words
    if (name === undefined || count === undefined || members.length === 0)
      throw malformed(WHAT, 'a group is: group NAME all|any|NUMBER MEMBER…')
    for (const member of members) this.#join(member)
    const threshold = count === 'all' ? members.length : count === 'any' ? 1 : parseCount(count)
    if (threshold < 1 || threshold > members.length) throw malformed(WHAT, 'a group asks for less than one or more than all of its members')
    this.#define(name)
    push(this.#groups, { name, threshold, members })
  }

  /** So that each witness counts in one way only, a name is a member once. */
  #join(member: string): void {
    if (!this.#names.has(member)) throw malformed(WHAT, 'a member of a group is not defined on a line before it')
    if (this.#members.has(member)) throw malformed(WHAT, 'a name is a member twice')
    this.#members.add(member)
  }

  #setQuorum(words: readonly string[]): void {
    const [name, ...more] = words
    if (name === undefined || more.length > 0) throw malformed(WHAT, 'a quorum is: quorum NAME')
    if (this.#quorum !== undefined) throw malformed(WHAT, 'it has two quorum lines')
    if (name !== NONE && !this.#names.has(name)) throw malformed(WHAT, 'its quorum is not defined on a line before it')
    this.#quorum = name === NONE ? null : name
  }

  #define(name: string): void {
    if (name === NONE || this.#names.has(name)) throw malformed(WHAT, 'a name is defined twice, or is "none"')
    this.#names.add(name)
  }
}

function push<Item>(list: Item[], item: Item): void {
  if (list.length >= ITEMS_MAX) throw malformed(WHAT, `it has more than ${ITEMS_MAX} items of a kind`)
  list.push(item)
}

function parseCount(text: string): number {
  if (!/^[0-9]{1,6}$/.test(text)) throw malformed(WHAT, 'a group has no "all", "any" or number')
  return Number(text)
}

/** Two names for one public key would let one party count twice. */
function newKey(encoded: string, existing: readonly { readonly key: VerifierKey }[]): VerifierKey {
  const key = parseVerifierKey(encoded)
  const bits = formatBase64(key.publicKey)
  if (existing.some((item) => formatBase64(item.key.publicKey) === bits)) throw malformed(WHAT, 'a public key stands in it twice')
  return key
}
