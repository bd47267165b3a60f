// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory, cached } from './cache.ts'
import { python, say } from './python.ts'

const REQUIREMENTS = join(import.meta.dirname, 'cepheus.txt')

function directoryName(): string {
  return `cepheus-${createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16)}`
}

/** A checklist of container escapes that others wrote: its packages, for PYTHONPATH. Null: `make test-servers` gets it. */
export function cepheusPackages(): string | null {
  const directory = join(cacheDirectory(), directoryName())
  return existsSync(directory) ? directory : null
}

export function installCepheus(): void {
  cached(directoryName(), (directory) => {
    say('installing cepheus, the checklist of container escapes, and what it needs')
    const options = ['--quiet', '--disable-pip-version-check', '--no-warn-script-location', '--only-binary', ':all:']
    python(['-m', 'pip', 'install', ...options, '--target', directory, '-r', REQUIREMENTS])
    writeFileSync(join(directory, '.whole'), '')
  })
}
