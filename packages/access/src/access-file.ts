// SPDX-License-Identifier: Apache-2.0
import { quote, type SourcePosition } from '@sallyport/core'
import { type AccessLimits, readLimits } from './access-limits.ts'
import { type EgressEntry, rulesOf } from './egress-entry.ts'
import type { IdentityGrant } from './identity-contract.ts'
import { readIdentityGrant } from './identity-syntax.ts'
import { readImage } from './image-syntax.ts'
import type { PublishEntry } from './publish-contract.ts'
import { readPublish } from './publish-syntax.ts'
import { readEgressEntry } from './rule-syntax.ts'
import type { SecretDeclaration, SecretGrant } from './secret-contract.ts'
import { readDeclarations, readGrants } from './secret-syntax.ts'
import { readFileWith, type TreeReader } from './tree-reader.ts'
import { checkVainConditions } from './vain-conditions.ts'
import type { YamlEntry, YamlNode } from './yaml-tree.ts'

/** `sallyport.yml`: what a repository asks for. Untrusted until somebody approved it: who writes the code writes the file. */
export interface AccessFile {
  /** As the user named it. */
  readonly source: string
  /** A reference at a registry; null: what the operator says, or the host's own programs. */
  readonly image: string | null
  readonly isolation: 'oci' | 'gvisor' | 'auto' | null
  readonly limits: AccessLimits
  /** For every job: what the checkout brings stays as it is. Null: jobs may say so themselves. */
  readonly sourceTree: SourceTree | null
  /** For every job. */
  readonly egress: readonly EgressEntry[]
  readonly jobs: readonly AccessJob[]
  /** Those that steps can be granted. */
  readonly secrets: readonly SecretDeclaration[]
}

export interface AccessJob {
  /** Its key in the workflow. */
  readonly id: string
  readonly at: SourcePosition
  readonly sourceTree: SourceTree | null
  /** For every step of the job. */
  readonly egress: readonly EgressEntry[]
  readonly steps: readonly AccessStep[]
  /** What the supervisor publishes for it, once it has succeeded. */
  readonly publish: readonly PublishEntry[]
}

export interface AccessStep {
  /** Its `id` in the workflow. */
  readonly id: string
  readonly at: SourcePosition
  readonly egress: readonly EgressEntry[]
  readonly secrets: readonly SecretGrant[]
  /** Null: it gets no identity token. */
  readonly identity: IdentityGrant | null
}

/** Stricter than none: whoever asks for it, gets it. See docs/isolation.md. */
export type SourceTree = 'read-only'

/** Every rule is looked at for every connection. */
export const ENTRIES_MAX = 1000

/**
 * @param source How the user named the file, for messages and records.
 * @throws AccessError ACCESS_INVALID with every problem
 */
export function parseAccessFile(source: string, text: string): Promise<AccessFile> {
  return readFileWith(source, text, 'ACCESS_INVALID', (root, reader) => {
    const fields = reader.fields(root, 'the file', ['version', 'image', 'isolation', 'limits', 'source', 'egress', 'jobs', 'secrets'])
    reader.version(fields.version, root)
    const secrets = readDeclarations(fields.secrets, reader)
    const file: AccessFile = {
      source,
      image: readImage(fields.image, reader),
      isolation: readIsolation(fields.isolation, reader),
      limits: readLimits(fields.limits, reader),
      sourceTree: readSourceTree(fields.source, reader),
      egress: readEgress(fields.egress, reader),
      jobs: readNamed(fields.jobs, 'jobs', reader).map((entry) => readJob(entry, secrets, reader)),
      secrets,
    }
    const count = entriesOf(file).length
    if (count > ENTRIES_MAX) reader.invalid(root.at, `the file has ${count} rules, and at most ${ENTRIES_MAX} are possible`)
    else refuseVainConditions(file, reader)
    return file
  })
}

/** Everywhere where a rule holds, all rules around it hold too. */
function refuseVainConditions({ egress, jobs }: AccessFile, reader: TreeReader): void {
  checkVainConditions(rulesOf(egress), [], reader)
  for (const job of jobs) {
    checkVainConditions(rulesOf(job.egress), rulesOf(egress), reader)
    for (const step of job.steps) checkVainConditions(rulesOf(step.egress), rulesOf([...egress, ...job.egress]), reader)
  }
}

/** All of them, from first to last. */
export function entriesOf({ egress, jobs }: AccessFile): readonly EgressEntry[] {
  return [...egress, ...jobs.flatMap((job) => [...job.egress, ...job.steps.flatMap((step) => step.egress)])]
}

/** The file with each list of entries replaced. */
export function mapEntries(file: AccessFile, replace: (entries: readonly EgressEntry[]) => readonly EgressEntry[]): AccessFile {
  const replaceIn = <Part extends { readonly egress: readonly EgressEntry[] }>(part: Part): Part => ({
    ...part,
    egress: replace(part.egress),
  })
  return { ...replaceIn(file), jobs: file.jobs.map((job) => ({ ...replaceIn(job), steps: job.steps.map(replaceIn) })) }
}

export function readEgress(node: YamlNode | undefined, reader: TreeReader): readonly EgressEntry[] {
  if (node === undefined) return []
  return reader.list(node, 'egress').flatMap((item) => readEgressEntry(item, reader))
}

export function readSourceTree(node: YamlNode | undefined, reader: TreeReader): SourceTree | null {
  return node === undefined ? null : reader.choice(node, 'source', ['read-only'])
}

function readJob({ key: id, keyAt: at, value }: YamlEntry, declared: readonly SecretDeclaration[], reader: TreeReader): AccessJob {
  const fields = reader.fields(value, `the job ${quote(id)}`, ['source', 'egress', 'steps', 'secrets', 'identity', 'publish'])
  if (fields.secrets !== undefined)
    reader.invalid(fields.secrets.at, 'a secret is granted to a step, not to a whole job', `move it to jobs.${id}.steps.STEP.secrets`)
  if (fields.identity !== undefined)
    reader.invalid(
      fields.identity.at,
      'identity tokens are granted to a step, not to a whole job',
      `move it to jobs.${id}.steps.STEP.identity`,
    )
  const steps = readNamed(fields.steps, 'steps', reader).map((entry) => readStep(entry, declared, reader))
  const sourceTree = readSourceTree(fields.source, reader)
  return { id, at, sourceTree, egress: readEgress(fields.egress, reader), steps, publish: readPublish(fields.publish, declared, reader) }
}

function readStep({ key: id, keyAt: at, value }: YamlEntry, declared: readonly SecretDeclaration[], reader: TreeReader): AccessStep {
  const fields = reader.fields(value, `the step ${quote(id)}`, ['egress', 'secrets', 'identity'])
  return {
    id,
    at,
    egress: readEgress(fields.egress, reader),
    secrets: readGrants(fields.secrets, declared, reader),
    identity: readIdentityGrant(fields.identity, reader),
  }
}

/** A map whose keys are ids of the workflow. */
function readNamed(node: YamlNode | undefined, what: string, reader: TreeReader): readonly YamlEntry[] {
  if (node === undefined) return []
  const entries = reader.map(node, what)?.entries ?? []
  for (const { key, keyAt } of entries) {
    if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(key))
      reader.invalid(keyAt, `${quote(key)} cannot be an id in a workflow`, 'letters, digits, - and _ can')
  }
  return entries
}

function readIsolation(node: YamlNode | undefined, reader: TreeReader): AccessFile['isolation'] {
  if (node?.kind === 'text' && node.value === 'microvm')
    return reader.unsupported(node.at, `isolation ${node.value} is not in this release`, 'write isolation: gvisor')
  return node === undefined ? null : reader.choice(node, 'isolation', ['oci', 'gvisor', 'auto'])
}
