// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { EOL } from 'node:os'

/** Appends to an environment file in the form that no value can break out of. */
export function setInFile(variable, name, value) {
  const delimiter = `end-${randomUUID()}`
  appendFileSync(process.env[variable], `${name}<<${delimiter}${EOL}${value}${EOL}${delimiter}${EOL}`)
}

export function annotate(level, properties, message) {
  const escapeData = (text) => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  const escapeProperty = (text) => escapeData(String(text)).replaceAll(':', '%3A').replaceAll(',', '%2C')
  const list = Object.entries(properties).map(([key, value]) => `${key}=${escapeProperty(value)}`)
  process.stdout.write(`::${level} ${list.join(',')}::${escapeData(message)}${EOL}`)
}

export const input = (name) => process.env[`INPUT_${name.toUpperCase()}`]?.trim() ?? ''
