// SPDX-License-Identifier: Apache-2.0
// The shapes that issuers publish for their credentials. Every repetition has an end: texts are hostile, and each pattern is tried at each of their places.
import { Buffer } from 'node:buffer'

export interface LeakPattern {
  readonly rule: string
  readonly pattern: RegExp
  /** Of a match, or of its first group: whether it is one after all. */
  readonly isOne: (value: string) => boolean
}

/** Longer matches would not be found whole at the end of a piece of text. */
export const MATCH_MAX = 4096

const always = (): boolean => true

export const PATTERNS: readonly LeakPattern[] = [
  { rule: 'private-key', pattern: /-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/g, isOne: always },
  { rule: 'age-secret-key', pattern: /\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b/g, isOne: always },
  { rule: 'aws-access-key-id', pattern: /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/g, isOne: always },
  { rule: 'github-token', pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{82})\b/g, isOne: always },
  { rule: 'gitlab-token', pattern: /\bgl(?:pat|ptt|rt|dt|cbt|ft)-[A-Za-z0-9_-]{20,128}/g, isOne: always },
  { rule: 'npm-token', pattern: /\bnpm_[A-Za-z0-9]{36}\b/g, isOne: always },
  { rule: 'pypi-token', pattern: /\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,500}/g, isOne: always },
  { rule: 'slack-token', pattern: /\bxox[abeoprs]-[A-Za-z0-9-]{10,250}/g, isOne: always },
  { rule: 'jwt', pattern: /\b(eyJ[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{16,700})/g, isOne: hasAlgorithm },
  {
    rule: 'assigned-secret',
    pattern:
      /(?:secret|token|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|credential)[A-Za-z0-9_.-]{0,20}["']?[ \t]{0,4}[:=][ \t]{0,4}["']?([A-Za-z0-9+/_=.~-]{20,200})/gi,
    isOne: isRandom,
  },
]

/** A header of JOSE (RFC 7515) names its algorithm. */
function hasAlgorithm(token: string): boolean {
  return Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').includes('"alg"')
}

/** Bits a character: words and names of files have fewer, and no digits between them. */
const ENTROPY_MIN = 3.5

function isRandom(value: string): boolean {
  return /[0-9]/.test(value) && /[A-Za-z]/.test(value) && entropyOf(value) >= ENTROPY_MIN
}

function entropyOf(text: string): number {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  return [...counts.values()].reduce((sum, count) => sum - (count / text.length) * Math.log2(count / text.length), 0)
}
