// SPDX-License-Identifier: Apache-2.0

/** A word that a person can paste into a shell, whatever a workflow called its job. */
export function quoteForShell(word: string): string {
  return /^[A-Za-z0-9_./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
