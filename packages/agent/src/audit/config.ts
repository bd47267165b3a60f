// SPDX-License-Identifier: Apache-2.0
import { userInfo } from 'node:os'

/** Who called, as far as this process can know: with sudo, the one who called that. */
export function readCaller(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const sudo = env['SUDO_USER']
  if (sudo !== undefined && sudo !== '') return sudo.slice(0, 256).toWellFormed()
  return nameOfUser()
}

function nameOfUser(): string {
  try {
    return userInfo().username
  } catch {
    // A uid without a name is one, too
    return String(process.getuid?.() ?? 'unknown')
  }
}
