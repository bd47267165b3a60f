// SPDX-License-Identifier: Apache-2.0
import type { AccessFile } from './access-file.ts'
import { isOneOf, unmetCondition } from './grant-conditions.ts'
import type { OperatorFile } from './operator-file.ts'
import { shown } from './refuse.ts'
import { GIVEN, type GrantDecision, type GrantFacts, type SecretCeiling, type SecretDeclaration } from './secret-contract.ts'

export interface SecretQuestion {
  readonly file: AccessFile
  readonly operator: OperatorFile | null
  readonly job: string
  /** Its `id` in the workflow; null where it has none: then nothing can be granted to it. */
  readonly step: string | null
  /** Upper case. */
  readonly secret: string
  readonly facts: GrantFacts
}

type Denied = Extract<GrantDecision, { granted: false }>

/** Whether this step gets this secret. What no grant names is denied, as is everything that is unknown. */
export function decideSecret(question: SecretQuestion): GrantDecision {
  const { file, job, step, secret, facts } = question
  const declaration = file.secrets.find(({ name }) => name === secret)
  if (declaration === undefined) return denied('undeclared', `${secret} is not declared in "${file.source}"`, null, null)
  if (facts.isForkPullRequest)
    return denied('fork', 'an outsider wrote what runs: a pull request from a fork gets no secret', placeOf(declaration.at), null)
  const ofJob = file.jobs.find(({ id }) => id === job)
  const grant = step === null ? undefined : ofJob?.steps.find(({ id }) => id === step)?.secrets.find((each) => each.secret === secret)
  if (grant === undefined) {
    const remedy =
      step === null
        ? `give the step an id, and add it to "${file.source}" as jobs.${job}.steps.ID.secrets.${secret}`
        : `add it to "${file.source}" as jobs.${job}.steps.${step}.secrets.${secret}`
    return denied('not-granted', `no grant of ${secret} names this step`, placeOf(declaration.at), remedy)
  }
  const unmet = unmetCondition(grant.when, facts)
  if (unmet !== null) return denied('condition', `the grant of ${secret} holds for other ${unmet}`, placeOf(grant.at), null)
  return withinSecretCeiling(question, declaration, grant.delivery.kind) ?? { granted: true, grant, declaration }
}

/** Null: the operator lets it be read so. */
export function withinSecretCeiling(
  { operator, facts }: Pick<SecretQuestion, 'operator' | 'facts'>,
  declaration: SecretDeclaration,
  delivery: NonNullable<SecretCeiling['deliveries']>[number],
): Denied | null {
  // Whoever gives a value on the command line has it, and needs no leave to.
  if (operator === null || declaration.from === GIVEN) return null
  const { secrets, source } = operator
  if (secrets === null) return null
  const about = secrets.filter((entry) => entry.from.includes(declaration.from) && isOneOf(entry.paths, declaration.path))
  const holds = about.some(
    ({ repositories, deliveries, when }) =>
      (repositories === null || isOneOf(repositories, facts.repository)) &&
      (deliveries === null || deliveries.includes(delivery)) &&
      unmetCondition(when, facts) === null,
  )
  if (holds) return null
  const nearest = about[0] === undefined ? source : placeOf(about[0].at)
  return denied(
    'ceiling',
    `"${source}" does not let this repository read ${shown(`${declaration.from}:${declaration.path}`)} so`,
    nearest,
    null,
  )
}

/** Whether the operator's file names it as something that jobs may read. False also where it says nothing of secrets. */
export function isNamedByCeiling({ secrets }: Pick<OperatorFile, 'secrets'>, from: string, path: string): boolean {
  return (secrets ?? []).some((entry) => entry.from.includes(from) && isOneOf(entry.paths, path))
}

function denied(code: Denied['code'], reason: string, rule: string | null, remedy: string | null): Denied {
  return { granted: false, code, reason, rule, remedy }
}

function placeOf({ file, line }: SecretDeclaration['at']): string {
  return `${file}:${line}`
}
