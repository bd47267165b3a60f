// SPDX-License-Identifier: Apache-2.0
import { widthOf } from './width.ts'

/** Rows as columns of equal width, two spaces apart; the last column is not padded. */
export function renderTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, widthOf(cell))
  const pad = (cell: string, index: number, row: readonly string[]): string =>
    index === row.length - 1 ? cell : cell + ' '.repeat((widths[index] ?? 0) - widthOf(cell))
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, index) => pad(cell, index, row))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
