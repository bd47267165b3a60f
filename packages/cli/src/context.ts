// SPDX-License-Identifier: Apache-2.0
import type { Agent } from '@sallyport/agent'
import type { RunStore } from '@sallyport/store'
import type { Config, SecretSource } from './config.ts'
import type { SignalSource } from './interrupt.ts'
import type { Sink } from './terminal/sink.ts'

/** Everything that a command reaches outside of its own options; tests put fakes here. */
export interface Context {
  readonly config: Config
  readonly secrets: SecretSource
  readonly stdin: AsyncIterable<Uint8Array>
  /** Whether there is somebody to ask. */
  readonly stdinIsTerminal: boolean
  readonly stdout: Sink
  readonly stderr: Sink
  readonly signals: SignalSource
  readonly workingDirectory: string
  readonly now: () => number
  /** Set while a command wants to know that the reader of stdout is gone. */
  onStdoutClosed: (() => void) | null
  /** A control sequence that the terminal must get however the process ends. */
  restoreAtExit(sequence: string): void
  /** Loaded when they are used: most of what they are made of is slow to load. */
  loadAgent(): Promise<Agent>
  loadStore(stateDirectory: string): Promise<RunStore>
  /**
   * Before anything is read that a command needs sandboxes for: an ordinary user's program starts again as the root of a user namespace of its own. What goes wrong
   * beyond recovery ends the process with `exitCode`. @throws SandboxError.
   */
  becomeOwnRoot(exitCode: number): Promise<void>
  /** The code with which the process ends. */
  exitCode: number
}
