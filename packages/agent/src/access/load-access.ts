// SPDX-License-Identifier: Apache-2.0
import {
  type AccessFile,
  ceilingSet,
  effectiveTerminates,
  formatRule,
  HOST_LOGS_DEFAULT,
  type NamePattern,
  OPERATOR_IMAGES_DEFAULT,
  type RuleSet,
  requestSet,
  terminatingSet,
} from '@sallyport/access'
import type { WorkflowPlan } from '@sallyport/workflow'
import { AgentError } from '../agent-error.ts'
import { cutLimits } from './access-limits.ts'
import { readAuthorities } from './authorities.ts'
import type { EffectiveAccess, EgressOptions } from './contract.ts'
import { readHostNames, readNameServers, readOwnAddresses, readSystemAuthorities } from './host-names.ts'
import { loadPolicy, type Policy } from './policy.ts'
import type { PullRequestBase } from './pull-request-base.ts'
import { parseResolve } from './resolve-option.ts'
import { strayNotices } from './stray-places.ts'
import { askDigest, assertTrusted, reviewFile } from './trust.ts'
import { TrustStore } from './trust-store.ts'

export interface LoadAccessInput {
  readonly egress: EgressOptions
  /** Root of the repository, absolute; null for `exec`. */
  readonly repository: string | null
  /** Where an outsider wrote the working tree: see {@link forkBaseOf}. */
  readonly base: PullRequestBase | null
  /** Of every workflow of the repository; null where not all are known. */
  readonly plans: readonly WorkflowPlan[] | null
  readonly stateDirectory: string
}

/**
 * What may leave in one run: what the command line and the repository ask for, as far as somebody approved it, within what the operator allows.
 *
 * @throws AccessError with every problem of a file or option (ACCESS_INVALID, ACCESS_CEILING_INVALID, ACCESS_RULE_INVALID, ACCESS_PRESET_UNRESOLVED)
 * @throws AgentError NOT_TRUSTED, OBSERVE_FORBIDDEN, ACCESS_FILE_UNREADABLE, OPERATOR_FILE_REFUSED, EGRESS_INVALID, TRUST_UNREADABLE
 */
export async function loadEffectiveAccess({ egress, repository, base, plans, stateDirectory }: LoadAccessInput): Promise<EffectiveAccess> {
  const resolved = parseResolve(egress.resolve)
  const policy = await loadPolicy({ ...egress, repository, base })
  const observes = egress.mode === 'observe'
  assertMayObserve(observes, policy)
  if (policy.file !== null && repository !== null)
    assertTrusted(await reviewFile(policy.file, policy, repository, new TrustStore(stateDirectory)), {
      accessFile: egress.accessFile,
      base,
    })
  const setsFor = (job: string | null, step: string | null): readonly RuleSet[] => setsOf(policy, { job, step, observes })
  const allSets = placesOf(policy.file).map(({ job, step }) => setsFor(job, step))
  const gate = await gateConfig(policy, resolved, effectiveTerminates(allSets))
  const programRule = allSets
    .flat()
    .flatMap(({ rules }) => rules)
    .find(({ executables }) => executables !== null)
  return {
    setsFor: (job, step) => setsFor(repository === null ? null : job, step),
    gate: gate.config,
    bytesOutMax: policy.operator?.egress.bytesOut ?? null,
    observes,
    files: { request: policy.file, operator: policy.operator },
    digests: { request: policy.file === null ? null : askDigest(policy.file), operator: policy.operatorDigest },
    limits: policy.file?.limits ?? {},
    limitsMax: policy.operator?.limits ?? {},
    images: policy.operator?.images ?? OPERATOR_IMAGES_DEFAULT,
    programRule: programRule === undefined ? null : formatRule(programRule),
    keepsSource: (job) => keepsSource(policy, repository === null ? null : job),
    hostLogs: policy.operator?.hostLogs ?? HOST_LOGS_DEFAULT,
    notices: [
      ...baseNotices(base, policy),
      ...policy.notices,
      ...(policy.file === null || plans === null ? [] : strayNotices(policy.file, plans)),
      ...gate.notices,
      ...observeNotices(observes, policy),
      ...limitNotices(policy),
    ],
  }
}

/** The sets that a step's connections must all be allowed by. */
export function setsOf(
  { file, source, operator, allow }: Policy,
  at: { readonly job: string | null; readonly step: string | null; readonly observes: boolean },
): readonly RuleSet[] {
  const ceiling = operator === null ? null : ceilingSet(operator)
  const request = terminatingSet(requestSet({ file, source, allow, ...at }), placeholderHosts(file, at))
  return ceiling === null ? [request] : [request, ceiling]
}

/** Where the gate puts values in for the step, it has to end TLS. */
function placeholderHosts(
  file: AccessFile | null,
  { job, step }: { readonly job: string | null; readonly step: string | null },
): readonly NamePattern[] {
  const granted = file?.jobs.find(({ id }) => id === job)?.steps.find(({ id }) => id === step)
  const grants = granted?.secrets ?? []
  const ofTokens = granted?.identity?.audiences.flatMap(({ placeholder }) => placeholder?.hosts ?? []) ?? []
  const names = grants.filter(({ delivery }) => delivery.kind === 'placeholder').map(({ secret }) => secret)
  return [...ofTokens, ...(file?.secrets ?? []).filter(({ name }) => names.includes(name)).flatMap(({ hosts }) => hosts)]
}

/** Whoever asks for it gets it: nobody can take it back. */
function keepsSource({ file, operator }: Policy, job: string | null): boolean {
  const ofJob = file?.jobs.find(({ id }) => id === job)?.sourceTree ?? null
  return [operator?.sourceTree, file?.sourceTree, ofJob].includes('read-only')
}

function assertMayObserve(observes: boolean, { operator }: Policy): void {
  if (!observes || operator === null || operator.egress.observe) return
  throw new AgentError('OBSERVE_FORBIDDEN', `Cannot observe egress: "${operator.source}" does not allow it`, {
    hint: 'Leave --egress observe out, or ask the operator to set observe: true below egress',
  })
}

/** Every job and step that has rules of its own, and one that has none. */
function placesOf(file: AccessFile | null): readonly { readonly job: string | null; readonly step: string | null }[] {
  const jobs = (file?.jobs ?? []).flatMap(({ id, steps }) => [
    { job: id, step: null },
    ...steps.map((step) => ({ job: id, step: step.id })),
  ])
  return [{ job: null, step: null }, ...jobs]
}

async function gateConfig(
  { operator }: Policy,
  resolved: Readonly<Record<string, readonly string[]>>,
  terminates: EffectiveAccess['gate']['terminates'],
): Promise<{ config: EffectiveAccess['gate']; notices: readonly string[] }> {
  const named = operator?.egress.nameServers ?? []
  const [nameServers, hostsFile, authorities] = await Promise.all([
    named.length > 0 ? named : readNameServers(),
    readHostNames(),
    gateAuthorities(operator?.egress.authorities ?? [], terminates.length > 0),
  ])
  const fixed = operator?.egress.hosts ?? {}
  const config = {
    nameServers,
    // Where there is an operator, what somebody else typed neither moves a name that the operator fixed nor opens private addresses.
    hosts: { ...hostsFile.hosts, ...resolved, ...fixed },
    trustedHosts: Object.keys(operator === null ? resolved : fixed),
    privateNetworks: operator?.egress.private ?? [],
    ownAddresses: readOwnAddresses(),
    authorities,
    terminates,
  }
  const notices = [
    ...(nameServers.length === 0 ? ['This machine names no name server: only names with fixed addresses can be reached'] : []),
    ...(hostsFile.dropped > 0 ? [`${hostsFile.dropped} names of /etc/hosts are unknown to jobs: it has too many`] : []),
  ]
  return { config, notices }
}

/** What upstream servers are verified against: only where the gate itself speaks with them. */
async function gateAuthorities(files: readonly string[], isNeeded: boolean): Promise<string | null> {
  if (!isNeeded) return null
  return files.length === 0 ? readSystemAuthorities() : readAuthorities(files)
}

function baseNotices(base: PullRequestBase | null, { file }: Policy): readonly string[] {
  if (base === null) return []
  const instead = file === null ? 'and its base has none' : `"${file.source}" does`
  return [`The pull request comes from a fork: the access file in its working tree does not count, ${instead}`]
}

function observeNotices(observes: boolean, { operator }: Policy): readonly string[] {
  if (!observes) return []
  const but = operator !== null && operator.egress.allow !== null ? ` but what "${operator.source}" forbids` : ''
  return [`Egress is only observed: nothing is blocked${but}, everything is recorded`]
}

function limitNotices({ file, operator }: Policy): readonly string[] {
  const cut = Object.keys(cutLimits(file?.limits ?? {}, operator?.limits ?? {}))
  return cut.length === 0 ? [] : [`"${operator?.source}" allows less than "${file?.source}" asks for: ${cut.join(', ')}`]
}
