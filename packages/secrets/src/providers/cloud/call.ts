// SPDX-License-Identifier: Apache-2.0
import { PROVIDER_TIMEOUT_MS } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'

/** One read, with every question that it takes: they share its time. */
export interface Call {
  readonly signal: AbortSignal
  /** Of `performance.now()`. */
  readonly endMs: number
}

export function startCall(signal: AbortSignal): Call {
  return { signal, endMs: performance.now() + PROVIDER_TIMEOUT_MS }
}

/** What to throw once `signal` is aborted: a deadline of the caller's is a provider that was too slow; everything else is theirs. */
export function givenUp({ reason }: AbortSignal, what: string): unknown {
  const isDeadline = reason instanceof DOMException && reason.name === 'TimeoutError'
  return isDeadline ? new SecretsError('PROVIDER_TIMEOUT', `Cannot ${what}: no answer in time`, { cause: reason }) : reason
}

/** Rejects as soon as `signal` is aborted: what is waited for may be others' as well, and goes on. */
export function unlessAborted<Value>(waitedFor: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    waitedFor.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
