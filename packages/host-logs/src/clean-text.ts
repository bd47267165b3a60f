// SPDX-License-Identifier: Apache-2.0
import { printable } from '@sallyport/core'

const MESSAGE_CHARS_MAX = 1024
const NAME_CHARS_MAX = 64

/** A message that a job may have chosen words of, short and without control characters. */
export function cleanMessage(text: string): string {
  return clean(text, MESSAGE_CHARS_MAX)
}

export function cleanName(text: string): string {
  return clean(text, NAME_CHARS_MAX)
}

function clean(text: string, charsMax: number): string {
  const short = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text
  return printable(short.toWellFormed())
}
