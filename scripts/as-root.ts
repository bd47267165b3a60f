// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process'

/** The prefix that makes a command run as root: empty when we are root, undefined when there is no way to become it. */
export function rootPrefix(): readonly string[] | undefined {
  if (process.getuid?.() === 0) return []
  // Asks for a password only where a person can answer
  const probe = process.stdin.isTTY ? ['-v'] : ['-n', 'true']
  const answer = spawnSync('sudo', probe, { stdio: process.stdin.isTTY ? 'inherit' : 'ignore' })
  return answer.status === 0 ? ['sudo', '--preserve-env=CI,NO_COLOR,SLOW', 'env', `PATH=${process.env['PATH'] ?? ''}`] : undefined
}

/** Starts one of our scripts again behind such a prefix, and ends as it ends. */
export function restartAsRoot(prefix: readonly string[], script: string, rest: readonly string[]): never {
  const [command = '', ...flags] = [...prefix, process.execPath, '--disable-warning=ExperimentalWarning', script, ...rest]
  process.exit(spawnSync(command, flags, { stdio: 'inherit' }).status ?? 1)
}
