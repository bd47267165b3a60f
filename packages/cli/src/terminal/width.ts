// SPDX-License-Identifier: Apache-2.0

const COLOR = /\x1b\[[0-9;]*m/g
const ZERO = /^[\p{Mn}\p{Me}\p{Cf}]$/u
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u

function widthOfCharacter(character: string): number {
  if (character <= '~') return 1
  if (ZERO.test(character)) return 0
  return WIDE.test(character) ? 2 : 1
}

/** Columns that sanitised text takes on a terminal. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text.replaceAll(COLOR, '')) width += widthOfCharacter(character)
  return width
}

/** Cuts text to a number of columns; colours survive and are closed. */
export function fit(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let width = 0
  let cut = ''
  for (const part of text.split(/(\x1b\[[0-9;]*m)/)) {
    if (part.startsWith('\x1b')) {
      cut += part
      continue
    }
    for (const character of part) {
      width += widthOfCharacter(character)
      if (width > columns - 1) return `${cut}…\x1b[0m`
      cut += character
    }
  }
  return cut
}
