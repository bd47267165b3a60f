// SPDX-License-Identifier: Apache-2.0
// Both ends check what they hear. @throws TypeError, SyntaxError for everything that the other end never says.
import type { Answer, FromSigner, HeadMessage, ToSigner } from './contract.ts'
import { isEpoch, isSize, parseHashText, parseHead } from './signer-state.ts'

export function parseToSigner(line: string): ToSigner {
  const { id, type, oldSize, proof, head } = parseObject(line)
  if (!isSize(id) || id === 0) throw new TypeError('a question without a number')
  if (type === 'latest' || type === 'epochs' || type === 'rotate') return { id, type }
  if (type === 'sign' && isSize(oldSize) && isHashes(proof) && parseHead(head) !== undefined)
    return { id, type, oldSize, proof, head: head as HeadMessage }
  throw new TypeError('a question that makes no sense')
}

export function parseFromSigner(line: string): FromSigner {
  const message = parseObject(line)
  const { id, type, code, message: text, hint } = message
  if (!isSize(id)) throw new TypeError('an answer without a number')
  if (id > 0) return { id, ...parseAnswer(message) }
  if (type === 'ready') return { id: 0, type }
  if (type === 'failed' && typeof code === 'string' && typeof text === 'string' && (hint === null || typeof hint === 'string'))
    return { id: 0, type, code, message: text, hint }
  throw new TypeError('an answer that makes no sense')
}

function parseAnswer({ type, note, head, epochs, message }: Record<string, unknown>): Answer {
  if (type === 'signed' && typeof note === 'string') return { type, note }
  if (type === 'latest' && (head === null || parseHead(head) !== undefined)) return { type, head: head as HeadMessage | null }
  if (type === 'epochs' && Array.isArray(epochs) && epochs.every(isEpoch)) return { type, epochs }
  if (type === 'refused' && typeof message === 'string') return { type, message }
  throw new TypeError('an answer that makes no sense')
}

function parseObject(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('no object')
  return value as Record<string, unknown>
}

const PROOF_HASHES_MAX = 63

function isHashes(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length > PROOF_HASHES_MAX) return false
  return value.every((item) => typeof item === 'string' && parseHashText(item) !== undefined)
}
