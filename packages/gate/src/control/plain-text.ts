// SPDX-License-Identifier: Apache-2.0

/** What no terminal, log or table should see: control characters, what is invisible or turns the direction of text, line ends, and halves of surrogate pairs. */
const UNWANTED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** Untrusted text, cut and made harmless to print. */
export function plainText(text: string, lengthMax: number): string {
  const cut = text.length > lengthMax ? `${text.slice(0, lengthMax - 1)}…` : text
  return cut.replace(UNWANTED, '\u{fffd}')
}
