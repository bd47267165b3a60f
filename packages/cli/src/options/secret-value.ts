// SPDX-License-Identifier: Apache-2.0
import { collectBytes } from '@sallyport/core'
import { type Fields, isFieldName, ONLY_FIELD, SECRET_BYTES_MAX, SecretsError } from '@sallyport/secrets'
import type { Context } from '../context.ts'
import type { HiddenPrompt } from '../terminal/hidden-prompt.ts'
import { UsageError } from '../usage-error.ts'

/** From a terminal one line that is not shown, from anything else all of it. `isExact`: with the newline that it ends with. */
export async function readValue(
  name: string,
  { stdin, stdinIsTerminal }: Context,
  prompt: HiddenPrompt,
  isExact: boolean,
): Promise<Uint8Array> {
  if (stdinIsTerminal) return prompt.ask(`the value of ${name}`, '')
  const bytes = await collectBytes(stdin, SECRET_BYTES_MAX + 2)
  if (bytes === null)
    throw new SecretsError('SECRET_TOO_LARGE', `Cannot store "${name}": stdin has more than ${SECRET_BYTES_MAX} bytes`, {
      hint: 'Store a key for what is larger, and keep the rest, encrypted with it, where large files are kept',
    })
  return isExact ? bytes : withoutEnd(bytes)
}

/** `echo token` ends in a newline that is no part of the token; a key of many lines keeps its last one. */
function withoutEnd(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(10)
  if (end === -1 || end !== bytes.byteLength - 1) return bytes
  return bytes.subarray(0, bytes[end - 1] === 13 ? end - 1 : end)
}

/** A JSON object of texts, each the value of a field. No message repeats any of it. */
export function parseFields(name: string, json: Uint8Array): Fields {
  const fields = Object.entries(parseObject(name, json)).map(([field, value]) => {
    if (!isFieldName(field)) throw noFields(name, 'a name in it cannot be that of a field')
    if (typeof value !== 'string') throw noFields(name, `the value of "${field}" is no text`)
    return [field, Buffer.from(value)] as const
  })
  return new Map(fields)
}

export function onlyField(value: Uint8Array): Fields {
  return new Map([[ONLY_FIELD, value]])
}

function parseObject(name: string, json: Uint8Array): object {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(json).toString())
  } catch {
    throw noFields(name, 'it is no JSON')
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw noFields(name, 'it is no object')
}

function noFields(name: string, what: string): UsageError {
  return new UsageError('FILE_INVALID', `Cannot take the fields of "${name}" from stdin: ${what}`, {
    hint: 'Give a JSON object whose values are texts: {"user": "…", "password": "…"}',
  })
}
