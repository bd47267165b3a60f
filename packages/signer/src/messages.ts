// SPDX-License-Identifier: Apache-2.0
// Both ends check what they hear. @throws TypeError for everything that the other end never says.
import type { Answer, HeadMessage, Question } from './contract.ts'
import { isEpoch, isSize, parseHashText, parseHead } from './signer-state.ts'

export function parseQuestion({ type, oldSize, proof, head, to }: Readonly<Record<string, unknown>>): Question {
  if (type === 'latest' || type === 'epochs' || type === 'prepare' || type === 'try') return { type }
  if (type === 'rotate' && (to === null || typeof to === 'string')) return { type, to }
  if (type === 'sign' && isSize(oldSize) && isHashes(proof) && parseHead(head) !== undefined)
    return { type, oldSize, proof, head: head as HeadMessage }
  throw new TypeError('a question that makes no sense')
}

export function parseAnswer({ type, note, head, epochs, verifierKey, message }: Readonly<Record<string, unknown>>): Answer {
  if (type === 'signed' && typeof note === 'string') return { type, note }
  if (type === 'latest' && (head === null || parseHead(head) !== undefined)) return { type, head: head as HeadMessage | null }
  if (type === 'epochs' && Array.isArray(epochs) && epochs.every(isEpoch)) return { type, epochs }
  if (type === 'prepared' && typeof verifierKey === 'string') return { type, verifierKey }
  if (type === 'refused' && typeof message === 'string') return { type, message }
  throw new TypeError('an answer that makes no sense')
}

const PROOF_HASHES_MAX = 63

function isHashes(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length > PROOF_HASHES_MAX) return false
  return value.every((item) => typeof item === 'string' && parseHashText(item) !== undefined)
}
