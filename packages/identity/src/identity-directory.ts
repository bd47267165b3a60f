// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'

/** Where the issuer's keys are, below a state directory. */
export function identityDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'identity')
}
