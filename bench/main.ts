// SPDX-License-Identifier: Apache-2.0
// bench/main.ts [NAME…]: runs bench/NAME.ts (default: all) one after the other and prints one table. Figures of one run compare;
// figures of two machines or two runs do not.
import { globSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { basename, join } from 'node:path'
import type { BenchRow } from './row.ts'

interface BenchModule {
  readonly run: () => Promise<BenchRow[]>
}

const support = new Set(['main', 'peers', 'row', 'samples'])
const names = globSync('*.ts', { cwd: import.meta.dirname })
  .map((file) => basename(file, '.ts'))
  .filter((name) => !support.has(name) && !name.startsWith('_') && !name.endsWith('.test'))
  // Before this process has grown: starting programs from a large one takes 9 ms longer, for all of them alike.
  .toSorted((left, right) => Number(right === 'start') - Number(left === 'start') || left.localeCompare(right))

function formatValue(value: number): string {
  if (Number.isNaN(value)) return '–'
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !names.includes(name))
if (unknown.length > 0) {
  process.stderr.write(`bench: there is no ${unknown.join(', ')}; there are ${names.join(', ')}\n`)
  process.exit(2)
}

const table: (readonly string[])[] = [['what', 'value', 'unit', 'against', 'note']]
for (const name of wanted.length === 0 ? names : wanted) {
  process.stderr.write(`bench: ${name} …\n`)
  const module = (await import(join(import.meta.dirname, `${name}.ts`))) as BenchModule
  for (const row of await module.run()) table.push([row.name, formatValue(row.value), row.unit, row.ratio ?? '', row.note ?? ''])
}
process.stdout.write(
  `${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}\n\n`,
)
process.stdout.write(`${formatTable(table)}\n`)
