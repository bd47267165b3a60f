// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'

/** Of the system: the one whose pip and venv scripts/bootstrap.sh installs. */
const PYTHON = '/usr/bin/python3'
const MINUTES = 60_000

/** Ends with an error that holds what the program said. */
export function python(args: readonly string[]): void {
  execFileSync(PYTHON, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 20 * MINUTES, maxBuffer: 64 * 2 ** 20 })
}

export function say(text: string): void {
  process.stdout.write(`test-servers: ${text}\n`)
}
