// SPDX-License-Identifier: Apache-2.0
import { matchesElements, type PatternElement, readCharClass } from './char-pattern.ts'
import { WorkflowError } from './problem.ts'
import { quote } from './wording.ts'

const PATTERN_LENGTH_MAX = 4096
const PATTERNS_MAX = 1024

/** One part of a pattern between slashes; null is `**`: any number of folders. */
type GlobPart = readonly PatternElement[] | null

interface Glob {
  readonly isExclusion: boolean
  readonly parts: readonly GlobPart[]
}

/**
 * Which files `hashFiles` takes. Each pattern may hold several lines; empty ones and those that begin with `#` are
 * left out. Patterns are tried in order: one with `!` takes files out, a later one can bring them back. A pattern that
 * names a folder takes everything below it.
 *
 * The matcher wants paths from the top of the workspace, with `/`. Absolute patterns count when they lie below
 * `workspace`. Patterns and paths may be hostile: the cost is at most the product of their lengths.
 *
 * @throws WorkflowError EXPRESSION_INVALID for a pattern with `..` or too many of them
 */
export function globToMatcher(patterns: readonly string[], workspace: string | null = null): (path: string) => boolean {
  const lines = patterns.flatMap((text) => text.split(/\r?\n/)).map((line) => line.trim())
  const globs = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => toGlob(line, workspace))
  if (globs.length > PATTERNS_MAX) fail(`hashFiles was given more than ${PATTERNS_MAX} patterns`)
  return (path) => {
    const names = path.split('/').filter((name) => name !== '' && name !== '.')
    let isTaken = false
    for (const { isExclusion, parts } of globs) {
      if (isTaken === isExclusion && matchesParts(parts, names)) isTaken = !isExclusion
    }
    return isTaken
  }
}

function toGlob(line: string, workspace: string | null): Glob {
  if (line.length > PATTERN_LENGTH_MAX) fail(`the pattern ${quote(line)} is longer than ${PATTERN_LENGTH_MAX} characters`)
  const marks = /^!*/.exec(line)?.[0].length ?? 0
  const pattern = relativeTo(line.slice(marks).trim(), workspace)
  const names = pattern.split('/').filter((name) => name !== '' && name !== '.')
  if (names.includes('..')) fail(`the pattern ${quote(line)} leaves the workspace`, 'write it without ..')
  return { isExclusion: marks % 2 === 1, parts: names.map(toPart) }
}

/** An absolute pattern elsewhere keeps its slash as a name that no path has. */
function relativeTo(pattern: string, workspace: string | null): string {
  if (!pattern.startsWith('/')) return pattern
  const root = workspace?.replace(/\/+$/, '') ?? null
  if (root !== null && (pattern === root || pattern.startsWith(`${root}/`))) return `./${pattern.slice(root.length)}`
  return '[/]'
}

function toPart(name: string): GlobPart {
  if (name === '**') return null
  const elements: PatternElement[] = []
  for (let at = 0; at < name.length; ) {
    const [element, end] = nextElement(name, at)
    elements.push(element)
    at = end
  }
  return elements
}

function nextElement(name: string, at: number): [PatternElement, number] {
  if (name[at] === '*') return [{ takes: () => true, repeats: true, skips: [1] }, at + 1]
  if (name[at] === '?') return [one(() => true), at + 1]
  const group = name[at] === '[' ? readCharClass(name, at, { canNegate: true }) : null
  if (group !== null) return [one(group.takes), group.end]
  const start = name[at] === '\\' && at + 1 < name.length ? at + 1 : at
  const wanted = String.fromCodePoint(name.codePointAt(start) ?? 0)
  return [one((char) => char === wanted), start + wanted.length]
}

function one(takes: (char: string) => boolean): PatternElement {
  return { takes, repeats: false, skips: [] }
}

/** True also when the parts take only the beginning of the path: it lies below a folder that they name. */
function matchesParts(parts: readonly GlobPart[], names: readonly string[]): boolean {
  let states = afterFolders(parts, new Set([0]))
  if (states.has(parts.length)) return true
  for (const name of names) {
    const next = new Set<number>()
    for (const state of states) {
      const part = parts[state]
      if (part === null) next.add(state)
      else if (part !== undefined && matchesElements(part, name)) next.add(state + 1)
    }
    states = afterFolders(parts, next)
    if (states.has(parts.length)) return true
  }
  return false
}

function afterFolders(parts: readonly GlobPart[], states: Set<number>): Set<number> {
  for (const state of states) if (parts[state] === null) states.add(state + 1)
  return states
}

function fail(message: string, suggestion: string | null = null): never {
  const at = { file: 'hashFiles', line: 1, column: 1 }
  throw new WorkflowError('EXPRESSION_INVALID', [{ at, message, suggestion, kind: 'invalid' }])
}
