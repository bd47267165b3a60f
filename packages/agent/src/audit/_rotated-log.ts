// SPDX-License-Identifier: Apache-2.0
// A log in a state directory, and what somebody has of it who has only what is published.
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { LogEntry } from '@sallyport/audit-log'
import { makeDirectory } from '../access/_temporary-directory.ts'
import { auditCommands } from './commands.ts'
import type { AuditPlace, AuditReport, VerifyOptions } from './contract.ts'
import { RunLog } from './run-log.ts'

export const PLAIN: VerifyOptions = { remember: null, policy: null, freshnessS: null, archives: null }
const ANY = { run: null, job: null, type: null, since: null, until: null, secret: null, host: null, actor: null }

export const runId = (number: number): string => `20261129-14020${number}-abcdef`

export function placeOf(state: string, more: Partial<AuditPlace> = {}): AuditPlace {
  return { stateDirectory: state, directory: null, key: null, ...more }
}

export async function record(state: string, number: number, events = 3): Promise<void> {
  await using log = new RunLog(state, runId(number))
  const at = new Date().toISOString()
  for (let seq = 1; seq <= events; seq += 1) log.add({ seq, run: runId(number), at, type: 'a.b', data: { seq } })
  await log.durable(events)
  await log.close()
}

export async function makeState(t: TestContext): Promise<string> {
  const state = makeDirectory(t)
  await record(state, 1)
  await auditCommands.publish(state)
  return state
}

/** A copy of what is published alone, as a monitor has it. */
export function publishedCopy(t: TestContext, state: string): string {
  const copy = join(makeDirectory(t), 'copy')
  cpSync(join(state, 'audit/log'), copy, { recursive: true })
  return copy
}

export function verifyCopy(copy: string, key: string, options: Partial<VerifyOptions> = {}): Promise<AuditReport> {
  return auditCommands.verify(placeOf('/nowhere', { directory: copy, key }), { ...PLAIN, ...options })
}

export async function logEntries(state: string): Promise<LogEntry[]> {
  const shown = await Array.fromAsync(auditCommands.show(placeOf(state), ANY))
  return shown.map(({ entry }) => entry).filter(({ source }) => source === 'log')
}
