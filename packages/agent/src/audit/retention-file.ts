// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { quote } from '@sallyport/core'
import { readWhole } from '@sallyport/store'
import { AgentError } from '../agent-error.ts'
import type { RetentionClass } from './contract.ts'

const NAME = 'audit-retention'
const FILE_BYTES_MAX = 64 * 1024
/** 100 years: longer is for ever, which is what no line says. */
const DAYS_MAX = 36_525
const CLASSES: readonly RetentionClass[] = ['caller', 'output', 'record', 'entry']

export function retentionPath(stateDirectory: string): string {
  return join(stateDirectory, NAME)
}

export type KeepDays = Readonly<Partial<Record<RetentionClass, number>>>

/**
 * How long what is kept: `audit-retention` of the state directory, a line `keep CLASS DAYS` for each class that is not kept for ever.
 * @throws AgentError AUDIT_RETENTION_INVALID
 */
export async function readRetention(stateDirectory: string): Promise<KeepDays> {
  const path = retentionPath(stateDirectory)
  const bytes = await readWhole(path, FILE_BYTES_MAX)
  const keepDays = new Map<string, number>()
  for (const [index, line] of (bytes?.toString() ?? '').split('\n').entries()) {
    const text = line.replace(/#.*$/, '').trim()
    if (text === '') continue
    const [, name = '', days = ''] = /^keep +(\S+) +([0-9]{1,6})$/.exec(text) ?? []
    const problem = problemOf(name, days, keepDays)
    if (problem !== null) throw invalid(path, index + 1, problem)
    keepDays.set(name, Number(days))
  }
  return Object.fromEntries(keepDays)
}

function problemOf(name: string, days: string, earlier: ReadonlyMap<string, number>): string | null {
  if (days === '') return 'it is no "keep CLASS DAYS"'
  if (!CLASSES.some((known) => known === name)) return `there is no class ${quote(name)}`
  if (earlier.has(name)) return `the class "${name}" has a line already`
  return Number(days) > DAYS_MAX ? `${days} days are more than ${DAYS_MAX}; what has no line is kept for ever` : null
}

function invalid(path: string, line: number, problem: string): AgentError {
  return new AgentError('AUDIT_RETENTION_INVALID', `Cannot use "${path}", line ${line}: ${problem}`, {
    hint: `Write lines such as "keep output 90"; the classes are ${CLASSES.join(', ')}`,
  })
}
