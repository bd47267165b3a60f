// SPDX-License-Identifier: Apache-2.0
// The audit log that a secrets manager keeps itself: who read a secret there without us is found in it, and nowhere else.
import type { ProviderDescription } from '../contract.ts'
import { parseAwsSettings } from '../providers/aws/aws-settings.ts'
import { parseVaultSettings } from '../providers/vault/vault-settings.ts'
import { SecretsError } from '../secrets-error.ts'
import { CloudTrailReader, namesOfSecret } from './cloudtrail.ts'
import { VaultAuditReader } from './vault-audit.ts'

/** Something that the manager handed out. Untrusted: whoever asked has chosen most of it. */
export interface ManagerRead {
  /** Of the manager's clock; milliseconds since 1970. */
  readonly atMs: number
  /** The manager's own number of the request. */
  readonly id: string
  readonly operation: string
  /** As addresses of secrets name it; more than one where the log does not tell which of them was meant. */
  readonly paths: readonly string[]
  /** Of whoever asked, as the log shows it. */
  readonly mark: string
  /** Who it was for the manager, which nobody can choose; null where it knows nobody. */
  readonly who: string | null
  /** What they call themselves. */
  readonly name: string
  /** Network address. */
  readonly from: string
  /** No secret: a credential of the provider's role. */
  readonly isLogin: boolean
}

export type ManagerEntry =
  | { readonly kind: 'read'; readonly line: number; readonly read: ManagerRead }
  /** Any other one: so far the log reaches. */
  | { readonly kind: 'other'; readonly line: number; readonly atMs: number }
  /** Something was here, or should have been. */
  | { readonly kind: 'gap'; readonly line: number; readonly atMs: number; readonly why: string }
  /** What cannot be read may hide anything. */
  | { readonly kind: 'unreadable'; readonly line: number; readonly why: string }

/** Of one log, in any number of files, the oldest first. What it does not understand it says. */
export interface ManagerLogReader {
  read(chunk: Uint8Array): Iterable<ManagerEntry>
  /** Of this file there is no more. `isLast`: somebody may still write to it. */
  endFile(isLast: boolean): Iterable<ManagerEntry>
}

export interface ManagerLog {
  /** It is written line by line, so that it can be followed. */
  readonly isLines: boolean
  /** Other names of a secret, and this one. */
  readonly namesOf: (path: string) => readonly string[]
  open(): ManagerLogReader
}

/** @throws SecretsError PROVIDER_CONFIG_INVALID, also for a provider whose audit log is not read */
export function managerLogOf(description: ProviderDescription): ManagerLog {
  const { name, kind } = description
  if (kind === 'vault') {
    const { mounts, namespace } = parseVaultSettings(description)
    return { isLines: true, namesOf: (path) => [path], open: () => new VaultAuditReader({ mounts, namespace }) }
  }
  if (kind === 'aws') {
    const { region, auth } = parseAwsSettings(description)
    return { isLines: false, namesOf: namesOfSecret, open: () => new CloudTrailReader({ region, role: auth.role }) }
  }
  throw new SecretsError(
    'PROVIDER_CONFIG_INVALID',
    `Cannot read an audit log of the provider "${name}": of the kind ${kind} none is read`,
    {
      hint: 'Audit devices of Vault and OpenBao are, and CloudTrail of AWS',
    },
  )
}
