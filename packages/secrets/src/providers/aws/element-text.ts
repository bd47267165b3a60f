// SPDX-License-Identifier: Apache-2.0

/**
 * The text of the one element of that name, as STS writes it: without attributes, markup or entities in it. Null: there is none, or more than one, or
 * it is of another form; then nobody's guess takes its place.
 */
export function elementText(xml: string, name: string): string | null {
  const opening = `<${name}>`
  const start = xml.indexOf(opening)
  if (start === -1 || xml.indexOf(opening, start + 1) !== -1) return null
  const end = xml.indexOf('<', start + opening.length)
  if (end === -1 || !xml.startsWith(`</${name}>`, end)) return null
  const text = xml.slice(start + opening.length, end)
  return text.includes('&') ? null : text.trim()
}
