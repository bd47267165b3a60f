// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The runsc that `make test-servers` built (scripts/servers/runsc.ts); undefined for the machine's own, if there is one. */
export function findRunsc(): string | undefined {
  const cache = join(homedir(), '.cache', 'sallyport-test')
  const names = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('runsc-')) : []
  return names.map((name) => join(cache, name, 'runsc')).find((path) => existsSync(path))
}
