// SPDX-License-Identifier: Apache-2.0
// What the broker wants of a secrets manager. A provider is imported by providers/registry.ts and by nothing else.

/** A secret's bytes; larger ones are refused with SECRET_TOO_LARGE. Vault, AWS and Azure end at or below 64 KiB, Google at 64 KiB; KV version 2 of OpenBao at 1 MiB. */
export const SECRET_BYTES_MAX: number = 64 * 1024

/** Longer than any provider that works takes to answer: a job waits for it. For one question, with what is tried again. */
export const PROVIDER_TIMEOUT_MS = 10_000

/** Where a secret is at its provider, in the provider's own terms. */
export interface SecretAddress {
  /** E.g. `kv/ci/packages` (Vault, OpenBao), a name or ARN (AWS), `name` (Azure, Google, embedded store). No `#`. */
  readonly path: string
  /** Of a structured secret (a KV entry, a JSON object, what a dynamic engine returns); null: the whole value, or the only field. */
  readonly field: string | null
  /** Null: the current one. */
  readonly version: string | null
  /** What the provider needs beside, e.g. `{ ttl: "10m", common_name: "ci.example.test" }` for a certificate of a PKI engine. Values are sent as they are. */
  readonly parameters: Readonly<Record<string, string>>
}

/** A job, as far as a provider is told of it: for its policies, and for its own audit log. Nothing of it is secret. */
export interface JobFacts {
  readonly run: string
  readonly job: string
  readonly repository: string | null
  readonly ref: string | null
}

/** A job that can show who it is. */
export interface JobIdentity extends JobFacts {
  /** A token of our own issuer for this provider's audience; null where the provider does not log in with one. */
  readonly token: string | null
}

/** What was read. */
export interface ReadSecret {
  /** By field; one field named `value` where the secret has no fields. Zeroed by whoever is done with them. */
  readonly fields: ReadonlyMap<string, Uint8Array>
  /** The provider's name for this version; null for what is made on demand. */
  readonly version: string | null
  /** When this version was made, milliseconds since 1970, where the provider tells it. */
  readonly createdAtMs?: number
  /** Null for a stored value, which nothing ends. */
  readonly lease: ProviderLease | null
}

/** Something that the provider made for this read, and that ends: a database account, a certificate, a cloud key. */
export interface ProviderLease {
  /** The provider's handle. It reveals nothing by itself. */
  readonly id: string
  /** When it ends by itself; milliseconds since 1970. */
  readonly expiresAtMs: number
  readonly isRenewable: boolean
}

/**
 * One job's standing with a provider. Where the provider has such a thing it is a credential of its own, a child of the broker's (a Vault token), and
 * everything that is read with it ends with it.
 */
export interface ProviderSession {
  /** @throws SecretsError */
  read(address: SecretAddress, signal: AbortSignal): Promise<ReadSecret>
  /** At least `ttlMs` from now, as far as the provider lets; answers with the new end. @throws SecretsError */
  renew(lease: ProviderLease, ttlMs: number, signal: AbortSignal): Promise<ProviderLease>
  /** Ends it now. Of a lease that has ended, or that the provider does not know, it is no error. @throws SecretsError */
  revoke(lease: ProviderLease, signal: AbortSignal): Promise<void>
  /** Everything of the job at once. Idempotent. @throws SecretsError */
  end(signal: AbortSignal): Promise<void>
}

export interface SessionRequest {
  readonly identity: JobIdentity
  /** As long as the job can last: what the session makes lives at most so long, whatever happens to us. */
  readonly ttlMs: number
  /**
   * Called before the session can read anything, with the handle by which `endSession` ends all that it ever makes; resolves when the handle is on disk
   * for good. A session that was not noted must make nothing that outlives it.
   */
  readonly note: (handle: string) => Promise<void>
  /**
   * Told before a credential of the session is used, with what the provider's own audit log shows of whoever uses it: an accessor, an access key id. It
   * reveals nothing by itself. Absent where nobody compares.
   */
  readonly mark?: (mark: string) => void
}

/** A configured secrets manager. Its own credential stays in the memory of its process. All methods may run at a time. */
export interface SecretProvider {
  /** As the operator named it. */
  readonly name: string
  readonly kind: ProviderKind
  /**
   * What ends when a session ends. `revoked`: all of it, at once. `expires`: it lives on until its own end, at most `ttlMs` after it was made, which is
   * published as this provider's limit.
   */
  readonly ending: { readonly kind: 'revoked' } | { readonly kind: 'expires'; readonly ttlMs: number }
  /** @throws SecretsError */
  openSession(request: SessionRequest, signal: AbortSignal): Promise<ProviderSession>
  /** Of an earlier process of ours that was killed. Idempotent; unknown handles are ended ones. @throws SecretsError */
  endSession(handle: string, signal: AbortSignal): Promise<void>
  /** Replaces values there. Absent: that is done at the manager, and not from here. */
  readonly rotator?: SecretRotator
  /** Marks as an audit device of the provider writes them, in their order; absent where they are written as they are. @throws SecretsError */
  hashMarks?(device: string, marks: readonly string[], signal: AbortSignal): Promise<readonly string[]>
  /** Gives its own credential back, where it was made for this process. */
  [Symbol.asyncDispose](): Promise<void>
}

/** What is known of a value without reading it. */
export interface VersionFacts {
  /** The provider's name for the current version, which changes when the value does; null: it does not tell. */
  readonly version: string | null
  /** Milliseconds since 1970; null: it does not tell. */
  readonly createdAtMs: number | null
  /** `native`: the manager makes the new value, and whoever has to know it is told by the manager. `write`: others do, and it becomes a new version. */
  readonly way: 'native' | 'write'
  /** A rotation of the manager's own goes on. */
  readonly isRotating: boolean
}

/** The new value of one field in place of the old one. Zeroed by whoever called. */
export interface Replacement {
  readonly old: Uint8Array
  readonly value: Uint8Array
  /** A UUID; the same when the same replacement is asked for once more. */
  readonly id: string
}

/** One question of a rotation. */
export interface RotationCall {
  readonly signal: AbortSignal
  /** Told what the provider's own audit log shows of who asks, as for a session. */
  readonly mark: (mark: string) => void
}

/** With the broker's own credential, which has to be allowed to. */
export interface SecretRotator {
  /** @throws SecretsError; ROTATION_FAILED for what cannot be rotated, with what to do instead */
  look(address: SecretAddress, call: RotationCall): Promise<VersionFacts>
  /** Has the manager begin with a rotation of its own. Asked once more with the same `id` (a UUID) it is the same rotation, as far as the manager can tell. @throws SecretsError */
  rotate(address: SecretAddress, id: string, call: RotationCall): Promise<void>
  /**
   * A new current version that differs in one field, where that still has the old value; where it has the new one already, nothing is done. Answers with
   * the version. @throws SecretsError ROTATION_FAILED where it has neither
   */
  replace(address: SecretAddress, replacement: Replacement, call: RotationCall): Promise<string>
}

export type ProviderKind = 'embedded' | 'vault' | 'aws' | 'azure' | 'google'

/**
 * A provider as the operator described it, under `providers` of their file; keys are the file's own (kebab-case). Each provider checks its own
 * part with PROVIDER_CONFIG_INVALID.
 */
export interface ProviderDescription {
  readonly name: string
  readonly kind: ProviderKind
  /** Every key but `kind`. Scalars are texts as they were written. */
  readonly settings: SettingsTree
}

export type SettingsTree = { readonly [key: string]: string | readonly string[] | SettingsTree }

/** What a provider is made with: everything that it may touch beside its network. */
export interface ProviderPorts {
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
  /** A file that the operator named for a credential or an authority, read anew each time it is needed. @throws SecretsError PROVIDER_CONFIG_INVALID */
  readonly readFile: (path: string) => Promise<Uint8Array>
}
