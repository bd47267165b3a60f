// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { SandboxError } from '../sandbox-error.ts'

/**
 * Where the locks of a user's slots are: one place for all of the user's supervisors, whatever their state directory and environment say, since two that do not
 * see each other's locks would give two jobs the same ids. So it is below the home of the account, which /run/user (that goes with the last session),
 * /tmp (of which a service can have its own) and variables are not.
 *
 * @throws SandboxError SANDBOX_UNSUPPORTED.
 */
export function slotLockDirectory(userId: number): string {
  const home = homeOf(userId)
  const directory = join(home, '.local/state/sallyport/slots')
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const { uid, mode } = lstatSync(directory)
    if (uid !== process.geteuid?.() || (mode & 0o022) !== 0) throw new Error('others may write to it')
  } catch (error) {
    throw new SandboxError(
      'SANDBOX_UNSUPPORTED',
      `Cannot build a sandbox without root: "${directory}" cannot be used, which keeps jobs from sharing ids`,
      {
        cause: error,
        hint: 'It has to be a directory of yours that nobody else writes to',
      },
    )
  }
  return directory
}

/** By the system's own account database, of which /etc/passwd may be but one part. */
function homeOf(userId: number): string {
  const home = readAccount(userId).split(':')[5] ?? ''
  if (isAbsolute(home)) return home
  throw new SandboxError(
    'SANDBOX_UNSUPPORTED',
    `Cannot build a sandbox without root: user ${userId} has no account with a home directory`,
    {
      hint: 'Give it an account; the locks that keep two jobs from sharing ids lie in its home',
    },
  )
}

function readAccount(userId: number): string {
  try {
    return execFileSync('/usr/bin/getent', ['passwd', String(userId)], {
      encoding: 'utf8',
      env: {},
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    })
  } catch {
    // No such account, for which it exits with 2.
    return ''
  }
}
