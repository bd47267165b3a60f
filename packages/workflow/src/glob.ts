// SPDX-License-Identifier: Apache-2.0

import { quote } from '@sallyport/core'
import { readCharClass } from './char-pattern.ts'
import { WorkflowError } from './problem.ts'

const PATTERN_TEXT_MAX = 8192

/** Takes one character, or is `*`. */
type NameElement = '*' | ((char: string) => boolean)

/** One part of a pattern between slashes: plain text, elements with wildcards, or null for `**`, any number of folders. */
type GlobPart = string | readonly NameElement[] | null

interface Glob {
  readonly isExclusion: boolean
  readonly parts: readonly GlobPart[]
}

/**
 * Which files `hashFiles` takes. Each pattern may hold several lines; empty ones and those that begin with `#` are
 * left out. Patterns are tried in order: one with `!` takes files out, a later one can bring them back. A pattern that
 * names a folder takes everything below it.
 *
 * The matcher wants paths of files from the top of the workspace, with `/`. Absolute patterns count when they lie below
 * `workspace`. Patterns and paths may be hostile: the cost is at most the product of their lengths.
 *
 * @throws WorkflowError EXPRESSION_INVALID for a pattern with `..`, or too much of them
 */
export function globToMatcher(patterns: readonly string[], workspace: string | null = null): (path: string) => boolean {
  const length = patterns.reduce((sum, pattern) => sum + pattern.length, 0)
  if (length > PATTERN_TEXT_MAX) fail(`hashFiles was given patterns of more than ${PATTERN_TEXT_MAX} characters`)
  const lines = patterns.flatMap((text) => text.split(/\r?\n/)).map((line) => line.trim())
  const globs = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => toGlob(line, workspace))
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
  const marks = /^!*/.exec(line)?.[0].length ?? 0
  const pattern = relativeTo(line.slice(marks).trim(), workspace)
  const isExclusion = marks % 2 === 1
  if (pattern === null) return { isExclusion, parts: [NOTHING] }
  const names = pattern.split('/').filter((name) => name !== '' && name !== '.')
  if (names.includes('..')) fail(`the pattern ${quote(line)} leaves the workspace`, 'write it without ..')
  const parts = names.map(toPart)
  return { isExclusion, parts: pattern.endsWith('/') ? [...parts, ['*']] : parts }
}

/** A part that no name matches. */
const NOTHING: GlobPart = [() => false]

/** Null for a pattern that lies outside of the workspace: no file there is ever looked at. */
function relativeTo(pattern: string, workspace: string | null): string | null {
  if (pattern === '~' || pattern.startsWith('~/')) return null
  if (!pattern.startsWith('/')) return pattern
  const root = workspace?.replace(/\/+$/, '') ?? null
  return root !== null && (pattern === root || pattern.startsWith(`${root}/`)) ? `.${pattern.slice(root.length)}` : null
}

function toPart(name: string): GlobPart {
  if (name === '**') return null
  if (!/[*?[\\]/.test(name)) return name
  const elements: NameElement[] = []
  for (let at = 0; at < name.length; ) {
    const [element, end] = nextElement(name, at)
    if (element !== '*' || elements.at(-1) !== '*') elements.push(element)
    at = end
  }
  return elements
}

function nextElement(name: string, at: number): [NameElement, number] {
  if (name[at] === '*') return ['*', at + 1]
  if (name[at] === '?') return [() => true, at + 1]
  const group = name[at] === '[' ? readCharClass(name, at, { canNegate: true }) : null
  if (group !== null) return [group.takes, group.end]
  const start = name[at] === '\\' && at + 1 < name.length ? at + 1 : at
  const wanted = String.fromCodePoint(name.codePointAt(start) ?? 0)
  return [(char) => char === wanted, start + wanted.length]
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
      else if (part !== undefined && matchesName(part, name)) next.add(state + 1)
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

/** Only the last `*` is ever tried again: what stands before it has matched as early as it could. */
function matchesName(part: string | readonly NameElement[], name: string): boolean {
  if (typeof part === 'string') return part === name
  const chars = [...name]
  let element = 0
  let char = 0
  let star = { element: -1, char: 0 }
  while (char < chars.length) {
    const current = part[element]
    if (current === '*') {
      star = { element, char }
      element += 1
    } else if (current?.(chars[char] ?? '') === true) {
      element += 1
      char += 1
    } else if (star.element >= 0) {
      star = { element: star.element, char: star.char + 1 }
      element = star.element + 1
      char = star.char
    } else {
      return false
    }
  }
  while (part[element] === '*') element += 1
  return element === part.length
}

function fail(message: string, suggestion: string | null = null): never {
  const at = { file: 'hashFiles', line: 1, column: 1 }
  throw new WorkflowError('EXPRESSION_INVALID', [{ at, message, suggestion, kind: 'invalid' }])
}
