// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import { UsageError } from '../usage-error.ts'
import { readInputFile } from './input-file.ts'

const PAYLOAD_BYTES_MAX = 25 * 2 ** 20

export function readPayload(file: string): Readonly<Record<string, unknown>> {
  const text = readInputFile(file, { option: '--payload', bytesMax: PAYLOAD_BYTES_MAX })
  const payload = parseJson(file, text)
  if (typeof payload === 'object' && payload !== null && !Array.isArray(payload)) return payload as Record<string, unknown>
  throw new UsageError('FILE_INVALID', `${file}:1: the payload is not an object`, {
    hint: 'Write the event as a forge sends it, e.g. {"ref": "refs/heads/main"}',
  })
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const message = messageOf(error)
    const [, line, column] = /\(line (\d+) column (\d+)\)/.exec(message) ?? []
    const at = line === undefined ? `${text.split('\n').length}` : `${line}:${column}`
    throw new UsageError('FILE_INVALID', `${file}:${at}: ${message.replace(/ in JSON at position.*/s, '')}`, {
      hint: 'The payload is one JSON object',
    })
  }
}
