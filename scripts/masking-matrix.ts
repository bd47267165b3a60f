// SPDX-License-Identifier: Apache-2.0
// scripts/masking-matrix.ts [--check]: lets programs print secrets, masks what they print, and writes into docs/masking.md what still shows.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ACCIDENTS, EVASIONS, type MaskingForm, maskForm } from '../test/_masking.ts'

const document = join(import.meta.dirname, '../docs/masking.md')

/** At the edges of an encoding a character may hold bits of a neighbour and of the value. */
const EDGE_CHARACTERS_MAX = 3

function missingTool({ tools }: MaskingForm): string | undefined {
  return tools.find((tool) => spawnSync('bash', ['-c', 'command -v "$0"', tool]).status !== 0)
}

function verdictOf(form: MaskingForm): string {
  const { shown, before, splits, splitsThatDiffer } = maskForm(form)
  if (before === 0) throw new Error(`"${form.what}" does not show the secret at all: it proves nothing`)
  if (form.group === 'evasion') return shown > EDGE_CHARACTERS_MAX ? 'not masked' : 'masked'
  if (splitsThatDiffer > 0) return `**${splitsThatDiffer} of ${splits} splits give another text**`
  if (shown > EDGE_CHARACTERS_MAX) return `**leaks ${shown} characters**`
  return shown === 0 ? 'masked' : `masked; ${shown} at the edge ${shown === 1 ? 'stays' : 'stay'}`
}

function rowsOf(forms: readonly MaskingForm[]): string[] {
  return forms.map((form) => {
    const missing = missingTool(form)
    if (missing !== undefined) throw new Error(`"${form.what}" needs ${missing}, which is missing here`)
    return `| ${form.group} | ${form.what.replaceAll('|', '\\|')} | ${verdictOf(form)} |`
  })
}

function replaced(text: string, name: string, rows: readonly string[]): string {
  const [begin, end] = [`<!-- ${name}: begin (generated) -->`, `<!-- ${name}: end -->`]
  const [before = '', rest = ''] = text.split(begin)
  const [, after] = rest.split(end)
  if (after === undefined) throw new Error(`docs/masking.md has no place for ${name}`)
  return `${before}${begin}\n| kind | printed as | result |\n| --- | --- | --- |\n${rows.join('\n')}\n${end}${after}`
}

const text = readFileSync(document, 'utf8')
const wanted = replaced(replaced(text, 'accidents', rowsOf(ACCIDENTS)), 'evasions', rowsOf(EVASIONS))
if (!process.argv.includes('--check')) writeFileSync(document, wanted)
else if (wanted !== text) {
  process.stderr.write('masking-matrix: docs/masking.md is not what the redactor does: run scripts/masking-matrix.ts\n')
  process.exitCode = 1
}
if (/\*\*/.test(wanted.slice(wanted.indexOf('<!-- accidents: begin'), wanted.indexOf('<!-- accidents: end')))) {
  process.stderr.write('masking-matrix: a form leaks\n')
  process.exitCode = 1
}
