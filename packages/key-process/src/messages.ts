// SPDX-License-Identifier: Apache-2.0
// Both ends check what they hear. @throws TypeError, SyntaxError for everything that the other end never says.
import type { FromKeyProcess } from './contract.ts'

/** A question with its number; what it asks is for the process to check. */
export function parseQuestionLine(line: string): { readonly id: number; readonly question: Record<string, unknown> } {
  const { id, ...question } = parseObject(line)
  if (!isNumber(id) || id === 0) throw new TypeError('a question without a number')
  return { id, question }
}

export function parseAnswerLine(line: string): FromKeyProcess {
  const { id, ...answer } = parseObject(line)
  if (!isNumber(id)) throw new TypeError('an answer without a number')
  if (id > 0) return { id, answer }
  const { type, code, message, hint } = answer
  if (type === 'ready') return { id: 0, type }
  if (type === 'failed' && typeof code === 'string' && typeof message === 'string' && (hint === null || typeof hint === 'string'))
    return { id: 0, type, code, message, hint }
  throw new TypeError('an answer that makes no sense')
}

function parseObject(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('no object')
  return value as Record<string, unknown>
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
