// SPDX-License-Identifier: Apache-2.0
// A publish with a placeholder, on an internet of its own: namespaces with a registry, an attacker's host and a name server, from which nothing leads anywhere.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunDocument } from '@sallyport/agent'
import { copyExample } from '@sallyport/testkit'
import { type Arrival, Internet } from '../../test/_internet/internet.ts'
import { documentOf, sallyport } from './sallyport.ts'

export interface PublishRun {
  /** The real one; random and worthless. */
  readonly token: string
  readonly exitCode: number
  /** What the job printed. */
  readonly log: string
  /** All that the run printed of itself. */
  readonly told: string
  /** HTTP requests that reached a server. */
  readonly arrivals: readonly Arrival[]
  readonly refused: RunDocument['doors']['refused']
}

export async function publishWithPlaceholder(): Promise<PublishRun> {
  const token = `npm_${randomBytes(18).toString('hex')}`
  const state = mkdtempSync(join(tmpdir(), 'sallyport-publish-'))
  try {
    using copy = copyExample('publish')
    await using internet = await Internet.start()
    const call = {
      directory: copy.directory,
      environment: { REGISTRY_TOKEN: token },
      show: false,
      timeoutMs: 2 * 60_000,
      within: internet.wrap,
    }
    const options = ['--json', '--state', state, '--config', internet.operatorFile(), '--secret', 'REGISTRY_TOKEN']
    const run = await sallyport({ ...call, arguments: ['run', ...options] })
    const { id, doors } = documentOf(run.output)
    const { output: log } = await sallyport({ ...call, arguments: ['runs', 'log', id, '--state', state] })
    const arrivals = (await internet.arrivals()).filter(({ kind }) => kind === 'http')
    return { token, exitCode: run.exitCode, log, told: run.output, arrivals, refused: doors.refused }
  } finally {
    rmSync(state, { recursive: true, force: true })
  }
}
