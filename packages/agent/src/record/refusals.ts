// SPDX-License-Identifier: Apache-2.0
import { ExitCode, messageOf, SallyportError } from '@sallyport/core'
import type { RunDocument } from '../contract.ts'
import { isMissingGuarantee } from '../prepare/prepare-sandbox.ts'

type Refusal = RunDocument['refusals'][number]

/** A job in a loop must not fill our memory with what it was refused. */
const KEPT_MAX = 1000

/** What a run's jobs were refused, for the summary, and why Sallyport itself could not go on. */
export class Refusals {
  readonly #refusals: Refusal[] = []
  #error: { readonly error: RunDocument['error']; readonly exitCode: ExitCode } | null = null

  add(refusal: Refusal): void {
    const known = this.#refusals.some((other) => other.job === refusal.job && other.step === refusal.step && other.what === refusal.what)
    if (!known && this.#refusals.length < KEPT_MAX) this.#refusals.push(refusal)
  }

  /** The first error counts. */
  setError(thrown: unknown): void {
    if (this.#error !== null) return
    const known = thrown instanceof SallyportError ? thrown : null
    this.#error = {
      error: { code: known?.code ?? 'INTERNAL', message: messageOf(thrown), hint: known?.hint ?? null },
      exitCode: exitCodeOfError(thrown),
    }
  }

  get refusals(): readonly Refusal[] {
    return this.#refusals
  }

  get error(): { readonly error: RunDocument['error']; readonly exitCode: ExitCode } | null {
    return this.#error
  }
}

const BAD_INPUT: readonly string[] = [
  'AUDIT_POLICY_INVALID',
  'IMAGE_AUTHORITY_UNREADABLE',
  'IMAGE_NOT_FOUND',
  'IMAGE_REFERENCE_INVALID',
  'IMAGE_REFUSED',
  'RUNNER_UNSUPPORTED',
  'INPUT_INVALID',
  'JOB_UNKNOWN',
  'NOTHING_TO_RUN',
  'REPOSITORY_UNREADABLE',
  'PROVIDER_CONFIG_INVALID',
  'SANDBOX_INPUT',
  'SECRET_FIELD_MISSING',
  'SECRET_NOT_FOUND',
  'SECRET_NOT_GIVEN',
  'SECRET_PROVIDER_UNKNOWN',
  'SECRET_VERSION_NOT_FOUND',
  'WRITE_REFUSED',
  'FILES_TOO_LARGE',
]

/** The exit code that tells a script what kind of reason it was. */
export function exitCodeOfError(thrown: unknown): ExitCode {
  if (isMissingGuarantee(thrown) || (thrown instanceof SallyportError && MISSING.includes(thrown.code))) return ExitCode.guaranteeMissing
  if (thrown instanceof SallyportError && REFUSED.includes(thrown.code)) return ExitCode.refused
  if (thrown instanceof SallyportError && BAD_INPUT.includes(thrown.code)) return ExitCode.badInput
  if (thrown instanceof Error && thrown.name === 'AbortError') return ExitCode.interrupted
  return ExitCode.internal
}

/** What somebody decided against, or must not be used. */
const REFUSED: readonly string[] = ['IMAGE_ACCESS_DENIED', 'IMAGE_NOT_ALLOWED', 'IMAGE_STORE_UNSAFE', 'IMAGE_TAMPERED']

/** What was asked for and is not to be had here. */
const MISSING: readonly string[] = ['HOST_LOG_MISSING', 'IMAGE_NEEDS_ROOT', 'IMAGE_TOOL_MISSING', 'LEASE_UNWITNESSED']
