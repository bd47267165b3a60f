// SPDX-License-Identifier: Apache-2.0

/**
 * Does something that may take so long, and leaves nothing behind when it is done. A signal of `AbortSignal.timeout` lives until its time is over,
 * however soon its question was answered, and with it all that listens to it: a process that asks a thousand questions a second would keep ten thousand.
 *
 * `work` gets a signal that is aborted by a `TimeoutError` when the time is over, and as `outer` is when that is first.
 */
export async function withDeadline<T>(timeoutMs: number, work: (signal: AbortSignal) => Promise<T>, outer?: AbortSignal): Promise<T> {
  const controller = new AbortController()
  const abort = (): void => controller.abort(outer?.reason)
  if (outer?.aborted) abort()
  outer?.addEventListener('abort', abort)
  const timer = setTimeout(() => controller.abort(timeoutError(timeoutMs)), timeoutMs)
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
    outer?.removeEventListener('abort', abort)
  }
}

function timeoutError(timeoutMs: number): DOMException {
  return new DOMException(`it has taken ${timeoutMs} ms`, 'TimeoutError')
}
