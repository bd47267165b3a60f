// SPDX-License-Identifier: Apache-2.0

/** What no terminal, log or table should see: control characters, the marks that turn the direction of text, and halves of surrogate pairs. */
const UNWANTED = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Surrogate}/gu

/** Untrusted text, cut and made harmless to print. */
export function plainText(text: string, lengthMax: number): string {
  const cut = text.length > lengthMax ? `${text.slice(0, lengthMax - 1)}…` : text
  return cut.replace(UNWANTED, '\u{fffd}')
}
