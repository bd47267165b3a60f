// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { NormalPath, PathSegment } from './contract.ts'
import { type Flaw, isFlaw } from './host-pattern.ts'
import { normalisePath } from './normal-path.ts'

export type PathPattern = readonly PathSegment[]

/**
 * `**` is at least one segment, so that `/acme/**` is all below `/acme` and not `/acme` itself, as `*.example.test` is not `example.test`.
 * `*` and `{name}` are one segment that is not empty and has no encoded `/` in it.
 */
export function matchesPath(pattern: PathPattern, path: NormalPath): boolean {
  if (path.text === '*') return false
  const { segments } = path
  const isOpen = pattern.at(-1)?.kind === 'rest'
  if (isOpen ? segments.length < pattern.length : segments.length !== pattern.length) return false
  return pattern.every((part, index) => matchesSegment(part, segments[index] ?? ''))
}

function matchesSegment(part: PathSegment, segment: string): boolean {
  if (part.kind === 'literal') return literalStars(segment) === part.text
  return part.kind === 'rest' || (segment !== '' && !segment.includes('%2F'))
}

/** A rule writes a star that is none of its wildcards as `%2A`, and means both spellings. */
function literalStars(segment: string): string {
  return segment.replaceAll('*', '%2A')
}

/** The pattern that matches this path alone. */
export function exactPattern({ segments }: NormalPath): PathPattern {
  return segments.map((segment) => ({ kind: 'literal', text: literalStars(segment) }))
}

export function parsePathPattern(text: string): PathPattern | Flaw {
  if (!text.startsWith('/')) return { message: `the path ${quote(text)} does not begin with /`, suggestion: `write /${text}` }
  if (text.includes('?'))
    return { message: `the path ${quote(text)} has a query`, suggestion: 'a rule is for the path alone: leave out what follows ?' }
  const parts = text.slice(1).split('/')
  const pattern: PathSegment[] = []
  for (const [index, part] of parts.entries()) {
    const segment = parseSegment(part, index === parts.length - 1)
    if (isFlaw(segment)) return segment
    pattern.push(segment)
  }
  // With a letter for each wildcard it has to be a path that a request can have.
  const sample = normalisePath(`/${pattern.map((part) => (part.kind === 'literal' ? part.text : 'x')).join('/')}`)
  return sample.ok
    ? pattern.map((part, index) => normalise(part, sample.path.segments[index]))
    : { message: sample.refusal.reason, suggestion: null }
}

function normalise(part: PathSegment, text: string | undefined): PathSegment {
  return part.kind === 'literal' ? { kind: 'literal', text: literalStars(text ?? '') } : part
}

function parseSegment(text: string, isLast: boolean): PathSegment | Flaw {
  if (text === '*') return { kind: 'any', name: null }
  if (text === '**')
    return isLast ? { kind: 'rest' } : { message: '** can only be the last segment of a path', suggestion: 'write * for one segment' }
  const placeholder = /^\{([A-Za-z_][A-Za-z0-9_-]*)\}$/.exec(text)?.[1]
  if (placeholder !== undefined) return { kind: 'any', name: placeholder }
  if (!/[*{}]/.test(text)) return { kind: 'literal', text }
  return {
    message: `the segment ${quote(text)} mixes text with a wildcard`,
    suggestion: 'a wildcard is a whole segment: *, {name}, or ** as the last',
  }
}

export function formatPath(pattern: PathPattern): string {
  return `/${pattern.map(formatSegment).join('/')}`
}

function formatSegment(segment: PathSegment): string {
  if (segment.kind === 'literal') return segment.text
  if (segment.kind === 'rest') return '**'
  return segment.name === null ? '*' : `{${segment.name}}`
}
