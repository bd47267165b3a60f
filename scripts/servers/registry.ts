// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory, cached } from './cache.ts'
import { say } from './python.ts'

const NAME = 'docker-registry'
const PROGRAM = join('usr', 'bin', 'docker-registry')

/** Distribution's registry, as Debian builds it. Null: it is not there, and `make test-servers` gets it. */
export function registryProgram(): string | null {
  const program = join(cacheDirectory(), NAME, PROGRAM)
  return existsSync(program) ? program : null
}

/** Unpacked, not installed: nothing of it starts by itself. apt checks what it downloads. @throws Error when the package cannot be had */
export function installRegistry(): void {
  cached(NAME, (directory) => {
    say('getting the registry from its Debian package (5 MB)')
    const run = (program: string, ...words: readonly string[]): void =>
      void execFileSync(program, words, { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] })
    run('apt-get', '--quiet', '--option', 'APT::Sandbox::User=root', 'download', NAME)
    const [file = ''] = globSync(join(directory, '*.deb'))
    run('dpkg-deb', '--extract', file, directory)
  })
}
