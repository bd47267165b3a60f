// SPDX-License-Identifier: Apache-2.0
import { writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import type { Agent } from '@sallyport/agent'
import { environmentSecrets, ownEnvironment, readConfig } from './config.ts'
import type { Context } from './context.ts'
import { runProgram } from './program.ts'
import { openStdio } from './terminal/stdio.ts'

/** The command line of this process, with its own streams, signals and environment. */
export async function runProcess(loadAgent: () => Promise<Agent> = loadRealAgent): Promise<void> {
  let context: Context | null = null
  const stdio = openStdio((stream) => {
    if (stream === 'stdout') context?.onStdoutClosed?.()
  })
  const config = readConfig()
  context = {
    config,
    secrets: environmentSecrets(),
    get stdin() {
      return process.stdin // Opened by those commands only that read it.
    },
    stdinIsTerminal: isatty(0),
    stdout: stdio.stdout,
    stderr: stdio.stderr,
    signals: process,
    workingDirectory: process.cwd(),
    now: Date.now,
    onStdoutClosed: null,
    restoreAtExit: (sequence) => process.once('exit', () => restore(sequence)),
    loadAgent,
    loadStore: async (directory) => (await import('@sallyport/store')).createRunStore(directory),
    becomeOwnRoot: async (exitCode) => (await import('@sallyport/sandbox')).becomeOwnRoot(exitCode, ownEnvironment()),
    exitCode: 0,
  }
  await runProgram(process.argv.slice(2), context)
  await stdio.drained()
  // Set, not called: what is still in a pipe's buffer is written first.
  process.exitCode = context.exitCode
}

async function loadRealAgent(): Promise<Agent> {
  return (await import('@sallyport/agent')).createAgent()
}

function restore(sequence: string): void {
  try {
    writeSync(2, sequence)
  } catch {
    // The terminal is gone: there is nothing to restore.
  }
}
