// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { Constraint, Finding, FindingRule, Grant, Pattern } from './contract.ts'
import { type Flaw, fixedPart, type SubjectFlaws, subjectFlaws } from './subject-pattern.ts'

/** Whom a grant lets in that its author can hardly have meant. */
export function judgeGrant(grant: Grant): readonly Finding[] {
  return [...audienceFindings(grant), ...subjectFindings(grant)]
}

function audienceFindings({ at, path, constraints, hasAudience, write }: Grant): readonly Finding[] {
  const audiences = constraints.filter(({ claim }) => claim === 'aud')
  if (!hasAudience && audiences.length === 0) {
    const message = 'no audience is asked for: a token that was made for another service, and that this one has seen, is good here'
    return [{ rule: 'audience-missing', at, path, message, remedy: write('aud', 'AUDIENCE') }]
  }
  return audiences
    .flatMap(({ patterns }) => patterns)
    .filter(({ isGlob, text }) => isGlob && /[*?]/.test(text))
    .map(({ at: place, path: way, text }) => ({
      rule: 'audience-broad',
      at: place,
      path: way,
      message: `${quote(text)} takes tokens that were made for others`,
      remedy: write('aud', 'AUDIENCE'),
    }))
}

interface Judged {
  readonly pattern: Pattern
  readonly claim: string
  readonly flaws: SubjectFlaws
}

/** What is said in any case: these are wrong whatever else is asked for. */
const ALWAYS: readonly FindingRule[] = ['pull-request', 'never-matches']

/** A grant is bound where one of its constraints binds it: what others of them leave open does not matter then. */
function subjectFindings(grant: Grant): readonly Finding[] {
  const judged = grant.constraints.map((constraint) => constraint.patterns.map((pattern) => judge(constraint, pattern)))
  const isBound = (part: keyof SubjectFlaws): boolean =>
    judged.some((values) => values.length > 0 && values.every(({ flaws }) => flaws[part] === null))
  if (!isBound('repository')) return flawsOf(grant, judged.flat(), 'repository') ?? [missing(grant)]
  if (!isBound('context')) return flawsOf(grant, judged.flat(), 'context') ?? [anyContext(grant)]
  const always = judged.flat().filter(({ flaws }) => flaws.context !== null && ALWAYS.includes(flaws.context.rule))
  return always.map((one) => findingOf(grant, one, one.flaws.context))
}

/** Null when there is none: then nothing has been said about it. */
function flawsOf(grant: Grant, judged: readonly Judged[], part: keyof SubjectFlaws): readonly Finding[] | null {
  const flawed = judged.filter(({ flaws }) => flaws[part] !== null && flaws[part] !== UNBOUND)
  return flawed.length === 0 ? null : flawed.map((one) => findingOf(grant, one, one.flaws[part]))
}

function findingOf({ write }: Grant, { pattern, claim }: Judged, flaw: Flaw | null): Finding {
  const { rule, message, instead } = flaw ?? UNBOUND
  return { rule, at: pattern.at, path: pattern.path, message, remedy: write(claim, instead) }
}

/** This claim says nothing about that part. */
const UNBOUND: Flaw = { rule: 'subject-missing', message: '', instead: '' }
const UNBOUND_BOTH: SubjectFlaws = { repository: UNBOUND, context: UNBOUND }

function judge({ claim }: Constraint, pattern: Pattern): Judged {
  return { pattern, claim, flaws: flawsOfClaim(claim, pattern) }
}

function flawsOfClaim(claim: string, pattern: Pattern): SubjectFlaws {
  const isExact = fixedPart(pattern) === pattern.text
  switch (claim) {
    case 'sub':
      return subjectFlaws(pattern)
    case 'repository':
      return { repository: isExact ? null : subjectFlaws({ ...pattern, text: `repo:${pattern.text}` }).repository, context: UNBOUND }
    case 'ref':
      return { repository: UNBOUND, context: contextOf(`ref:${pattern.text}`, pattern) }
    case 'environment':
      return { repository: UNBOUND, context: isExact ? null : contextOf(`environment:${pattern.text}`, pattern) }
    case 'workflow_ref':
      return isExact ? { repository: null, context: null } : UNBOUND_BOTH
    case 'job_workflow_ref': // Any repository may call a reusable workflow.
      return { repository: UNBOUND, context: isExact ? null : UNBOUND }
    case 'event_name':
      return { repository: UNBOUND, context: pattern.text.startsWith('pull_request') ? ofPullRequests(pattern) : UNBOUND }
    default:
      return UNBOUND_BOTH
  }
}

function contextOf(context: string, pattern: Pattern): Flaw | null {
  const flaw = subjectFlaws({ ...pattern, text: `repo:OWNER/NAME:${context}` }).context
  if (flaw === null) return null
  const [, instead = ''] = /^repo:OWNER\/NAME:[a-z]+:(.*)$/.exec(flaw.instead) ?? []
  return { ...flaw, message: flaw.message.replace(`repo:OWNER/NAME:${context}`, pattern.text), instead }
}

function ofPullRequests({ text }: Pattern): Flaw {
  return { rule: 'pull-request', message: `${quote(text)} lets pull requests in: whoever may open one chooses what runs`, instead: 'push' }
}

function missing({ at, path, write, constraints }: Grant): Finding {
  const owner = constraints.find(({ claim }) => claim === 'repository_owner')?.patterns[0]
  const whom = owner === undefined ? 'every job of the issuer' : `every repository of ${quote(owner.text)}`
  return {
    rule: 'subject-missing',
    at: owner?.at ?? at,
    path: owner?.path ?? path,
    message: `no subject is asked for: ${whom} is let in`,
    remedy: write('sub', 'repo:OWNER/NAME:ref:refs/heads/main'),
  }
}

function anyContext({ at, path, write, constraints }: Grant): Finding {
  const repository = constraints.find(({ claim }) => claim === 'repository')?.patterns[0]
  return {
    rule: 'context-any',
    at: repository?.at ?? at,
    path: repository?.path ?? path,
    message: `every branch, tag and pull request of ${quote(repository?.text ?? 'the repository')} is let in`,
    remedy: write('sub', `repo:${repository?.text ?? 'OWNER/NAME'}:ref:refs/heads/main`),
  }
}
