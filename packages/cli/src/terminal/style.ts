// SPDX-License-Identifier: Apache-2.0

/** Colours for our own words. */
export interface Style {
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly warn: (text: string) => string
  readonly dim: (text: string) => string
  readonly bold: (text: string) => string
}

export function createStyle(isColored: boolean): Style {
  const paint =
    (code: number) =>
    (text: string): string =>
      isColored && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text
  return { good: paint(32), bad: paint(31), warn: paint(33), dim: paint(2), bold: paint(1) }
}

/** The sign before a job, a step or a check; never the only bearer of its meaning. */
export function signOf(conclusion: string, style: Style): string {
  switch (conclusion) {
    case 'success':
      return style.good('✓')
    case 'failure':
      return style.bad('✗')
    case 'cancelled':
      return style.warn('■')
    default:
      return style.dim('–')
  }
}
