// SPDX-License-Identifier: Apache-2.0
// scripts/audit-table.ts [--check]: performs every manipulation of test/audit on a log in memory, and writes into docs/audit.md who finds it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LogReport } from '@sallyport/audit-log'
import { MANIPULATIONS, type ManipulationCase } from '../test/audit/_manipulations.ts'
import { type Witnessing, World } from '../test/audit/_world.ts'

const document = join(import.meta.dirname, '../docs/audit.md')
const [BEGIN, END] = ['<!-- manipulation table: begin (generated) -->', '<!-- manipulation table: end -->']
const WITNESSING: readonly Witnessing[] = ['none', 'one', 'two-of-three']

async function rowOf({ what, perform }: ManipulationCase): Promise<string> {
  const host = new World('none')
  const cells = [cellOf(await host.checkOnHost(await perform(host)))]
  for (const witnessing of WITNESSING) {
    const world = new World(witnessing)
    const report = await world.check(await perform(world))
    cells.push(cellOf(report))
  }
  return `| ${what} | ${cells.join(' | ')} |`
}

function cellOf({ isSound, manipulation, firstWrong }: LogReport): string {
  if (isSound) return '**not found**'
  const found = `found: ${manipulation ?? 'not sound'}`
  if (firstWrong === null) return found
  const { first, last } = firstWrong
  return first === last ? `${found}, entry ${first}` : `${found}, entries ${first}–${last}`
}

async function render(): Promise<string> {
  const head = [
    '| root would | its host, no witness | elsewhere, no witness | one witness | two of three |',
    '| --- | --- | --- | --- | --- |',
  ]
  const rows: string[] = []
  for (const manipulation of MANIPULATIONS) rows.push(await rowOf(manipulation))
  return [...head, ...rows].join('\n')
}

function replaced(text: string, table: string): string {
  const [before = '', rest = ''] = text.split(BEGIN)
  const [, after] = rest.split(END)
  if (after === undefined) throw new Error('docs/audit.md has no place for the table')
  return `${before}${BEGIN}\n${table}\n${END}${after}`
}

const text = readFileSync(document, 'utf8')
const wanted = replaced(text, await render())
if (!process.argv.includes('--check')) writeFileSync(document, wanted)
else if (wanted !== text) {
  process.stderr.write('audit-table: docs/audit.md is not what the manipulations show: run scripts/audit-table.ts\n')
  process.exitCode = 1
}
