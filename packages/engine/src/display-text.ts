// SPDX-License-Identifier: Apache-2.0

const NAME_CHARACTERS_MAX = 100
const MESSAGE_CHARACTERS_MAX = 4000

/**
 * A name of a job or step for people. Untrusted: it can hold another job's output or an action's text, so it
 * comes without control characters and not too long for a line.
 */
export function displayName(text: string): string {
  return shortened(text.replaceAll(/\p{Cc}+/gu, ' ').trim(), NAME_CHARACTERS_MAX)
}

/** A message can quote hostile text of any length: the record keeps its start. */
export function displayMessage(text: string): string {
  return shortened(text, MESSAGE_CHARACTERS_MAX)
}

function shortened(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1)}…` : text
}
