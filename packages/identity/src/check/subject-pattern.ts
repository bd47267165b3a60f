// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { FindingRule, Pattern } from './contract.ts'

/** What is wrong with a pattern, and what would be right. */
export interface Flaw {
  readonly rule: FindingRule
  readonly message: string
  /** A value to write instead. */
  readonly instead: string
}

/** A subject binds a repository, and what of it: a ref, an environment. */
export interface SubjectFlaws {
  readonly repository: Flaw | null
  readonly context: Flaw | null
}

const SOUND: SubjectFlaws = { repository: null, context: null }
const EXAMPLE = 'repo:OWNER/NAME:ref:refs/heads/main'

/** What stands before the first character that stands for others: all of what is sure about a match. */
export function fixedPart({ text, isGlob }: Pattern): string {
  return isGlob ? (/^[^*?]*/.exec(text)?.[0] ?? '') : text
}

/** Judges a pattern for `sub`. */
export function subjectFlaws(pattern: Pattern): SubjectFlaws {
  const fixed = fixedPart(pattern)
  if (fixed === pattern.text) return exactFlaws(pattern.text)
  const { repository, rest } = /^repo:(?<repository>[^/:]+\/[^/:]+):(?<rest>.*)$/s.exec(fixed)?.groups ?? {}
  if (repository === undefined || rest === undefined) {
    const flaw = repositoryFlaw(fixed, pattern.text)
    return { repository: flaw, context: flaw }
  }
  return { repository: null, context: contextFlaw(rest, repository, pattern.text) }
}

/** Letters that a wildcard can go on with: names begin alike. */
function repositoryFlaw(fixed: string, text: string): Flaw {
  const [, owner = '', slash = '', name = ''] = /^repo:([^/]*)(\/?)(.*)$/s.exec(fixed) ?? []
  const flaw = (whom: string, instead: string): Flaw => ({ rule: 'repository-broad', message: `${quote(text)} lets ${whom} in`, instead })
  if (owner === '') return flaw('every repository of the issuer', EXAMPLE)
  if (slash === '')
    return flaw(
      `every owner whose name begins with ${quote(owner)}, such as ${quote(`${owner}-evil`)},`,
      `repo:${owner}/NAME:ref:refs/heads/main`,
    )
  if (name === '') return flaw(`every repository of ${quote(owner)}`, `repo:${owner}/NAME:ref:refs/heads/main`)
  return flaw(
    `every repository of ${quote(owner)} whose name begins with ${quote(name)}, such as ${quote(`${owner}/${name}-evil`)},`,
    `repo:${owner}/${name}:ref:refs/heads/main`,
  )
}

function contextFlaw(rest: string, repository: string, text: string): Flaw | null {
  const flaw = (rule: FindingRule, whom: string, context = 'ref:refs/heads/main'): Flaw => ({
    rule,
    message: `${quote(text)} lets ${whom} in`,
    instead: `repo:${repository}:${context}`,
  })
  if (rest === '') return flaw('context-any', 'every branch, tag, environment and pull request')
  if (rest.startsWith('p')) return flaw('pull-request', 'every pull request: whoever may open one chooses what runs')
  if ('ref:refs/'.startsWith(rest)) return flaw('context-any', 'every branch and tag')
  const { kind, name } = /^(?<kind>ref:refs\/heads\/|ref:refs\/tags\/|environment:)(?<name>.*)$/s.exec(rest)?.groups ?? {}
  if (kind === undefined || name === undefined) return flaw('context-any', 'jobs of all refs or environments that begin so')
  if (name === '')
    return flaw('context-any', ANY[kind] ?? '', kind === 'ref:refs/heads/' ? 'ref:refs/heads/main' : 'environment:production')
  // Tags are named by version: v* is what is meant. A branch or an environment of a name that goes on is another one.
  if (name.endsWith('/') || kind === 'ref:refs/tags/') return null
  const bare = name.replace(/[-_.]+$/, '')
  return flaw(
    'context-broad',
    `every name that begins with ${quote(name)}, such as ${quote(`${bare}-evil`)},`,
    kind === 'environment:' ? `${kind}${bare}` : `${kind}${bare}/*`,
  )
}

const ANY: Readonly<Record<string, string>> = {
  'ref:refs/heads/': 'whoever can push a branch',
  'ref:refs/tags/': 'whoever can push a tag',
  'environment:': 'every environment',
}

const SUBJECT = /^repo:[\w.-]+\/[\w.-]+:(?:ref:refs\/(?:heads|tags)\/[^\s:*?]+|environment:[^:*?]+)$/

function exactFlaws(text: string): SubjectFlaws {
  if (SUBJECT.test(text)) return SOUND
  const repository = /^repo:([\w.-]+\/[\w.-]+):pull_request$/.exec(text)?.[1]
  if (repository !== undefined) return { repository: null, context: contextFlaw('pull_request', repository, text) }
  const why = /[*?]/.test(text) ? 'it is compared as a whole, and the wildcard in it is a character that no subject has' : 'no job has it'
  return {
    repository: null,
    context: { rule: 'never-matches', message: `${quote(text)} lets nobody in: ${why}`, instead: likelySubject(text) },
  }
}

/** What was meant, for the slips that are made most. */
function likelySubject(text: string): string {
  const { owner, name, rest } = /^(?:repo:)?(?<owner>[\w.-]+)\/(?<name>[\w.-]+)(?::(?<rest>.*))?$/is.exec(text.trim())?.groups ?? {}
  if (owner === undefined || name === undefined) return EXAMPLE
  const branch = /^(?:ref:|branch:)?(?:refs\/)?(?:heads\/)?([\w./-]+)$/i.exec(rest ?? '')?.[1]
  return `repo:${owner}/${name}:ref:refs/heads/${branch ?? 'main'}`
}
