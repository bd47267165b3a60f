// SPDX-License-Identifier: Apache-2.0

export interface Interrupt {
  readonly soft: AbortSignal
  readonly hard: AbortSignal
  /** True once anything asked for the end. */
  readonly isRequested: boolean
  /** As if the terminal had gone. */
  kill(): void
  /** Signals have their usual effect again. */
  [Symbol.dispose](): void
}

/** Where signals come from: the process, or a test. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown
  off(signal: NodeJS.Signals, listener: () => void): unknown
}

/**
 * Ctrl-C once cancels, twice kills; SIGTERM and SIGHUP (the terminal went away) kill at once. Either way
 * the agent cleans up before it answers: no signal ends this process while a sandbox lives.
 */
export function createInterrupt(source: SignalSource, note: (line: string) => void): Interrupt {
  const soft = new AbortController()
  const hard = new AbortController()
  const kill = (): void => {
    soft.abort()
    hard.abort()
  }
  const onInterrupt = (): void => {
    if (hard.signal.aborted) note('sallyport: still cleaning up')
    else if (soft.signal.aborted) {
      note('sallyport: killing')
      kill()
    } else {
      note('sallyport: cancelling; press Ctrl-C again to kill')
      soft.abort()
    }
  }
  const listeners: readonly (readonly [NodeJS.Signals, () => void])[] = [
    ['SIGINT', onInterrupt],
    ['SIGTERM', kill],
    ['SIGHUP', kill],
  ]
  for (const [signal, listener] of listeners) source.on(signal, listener)
  return {
    soft: soft.signal,
    hard: hard.signal,
    get isRequested() {
      return soft.signal.aborted
    },
    kill,
    [Symbol.dispose]: () => {
      for (const [signal, listener] of listeners) source.off(signal, listener)
    },
  }
}
