// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Lines of a file of vectors, but for comments. The empty text is the line after the first comment, where that is empty. */
export function readVectors(name: string): readonly string[] {
  const lines = readFileSync(join(import.meta.dirname, '../vectors', name), 'utf8').split('\n')
  return lines.slice(1, -1).filter((line) => !line.startsWith('# '))
}

/** `input<tab>expected` */
export function readPairs(name: string): readonly (readonly [input: string, expected: string])[] {
  return readVectors(name).map((line) => {
    const [input, expected] = line.split('\t')
    if (input === undefined || expected === undefined) throw new Error(`${name}: no tab in ${JSON.stringify(line)}`)
    return [unescaped(input), unescaped(expected)]
  })
}

/** Each line is the inside of a JSON string. */
export function unescaped(line: string): string {
  return JSON.parse(`"${line}"`) as string
}
