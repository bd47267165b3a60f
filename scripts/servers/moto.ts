// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory, cached } from './cache.ts'
import { python, say } from './python.ts'

const REQUIREMENTS = join(import.meta.dirname, 'moto.txt')

function directoryName(): string {
  return `moto-${createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16)}`
}

/** The emulator of AWS: `[python, '-m', 'moto.server', …]`, with its packages on PYTHONPATH. Null: `make test-servers` gets it. */
export function motoPackages(): string | null {
  const directory = join(cacheDirectory(), directoryName())
  return existsSync(directory) ? directory : null
}

export function installMoto(): void {
  cached(directoryName(), (directory) => {
    say('installing moto, the emulator of AWS, and what it needs')
    const options = ['--quiet', '--disable-pip-version-check', '--no-warn-script-location', '--only-binary', ':all:']
    python(['-m', 'pip', 'install', ...options, '--target', directory, '-r', REQUIREMENTS])
    writeFileSync(join(directory, '.whole'), '')
  })
}
