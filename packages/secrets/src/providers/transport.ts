// SPDX-License-Identifier: Apache-2.0
// What every provider that is asked over HTTP has in common.
import { messageOf } from '@sallyport/core'
import type { HttpError } from '@sallyport/http'
import { SecretsError, type SecretsErrorCode } from '../secrets-error.ts'

const RETRY_MS = 100
const RETRY_MS_MAX = 2000

/** Where credentials may go in the clear: to this machine itself. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}

/** Twice as long each time, and not the same for all who wait. */
export function backOffMs(attempt: number): number {
  const ms = Math.min(RETRY_MS * 2 ** attempt, RETRY_MS_MAX)
  return ms / 2 + Math.random() * (ms / 2)
}

/** Of the answer's own wish; 0 where it has none that makes sense. */
export function retryAfterMs(value: string | readonly string[] | undefined): number {
  return typeof value === 'string' && /^[0-9]{1,4}$/.test(value) ? Number(value) * 1000 : 0
}

/** There was no whole answer. `tooLarge`: what an endless one means. */
export function transportError(what: string, error: HttpError, tooLarge: SecretsErrorCode = 'PROVIDER_FAILED'): SecretsError {
  const codes = {
    connection: 'PROVIDER_UNREACHABLE',
    timeout: 'PROVIDER_TIMEOUT',
    certificate: 'PROVIDER_CERTIFICATE',
    size: tooLarge,
  } as const
  return new SecretsError(codes[error.failure ?? 'connection'], `Cannot ${what}: ${messageOf(error)}`, { details: error.details })
}
