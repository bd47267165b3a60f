// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SandboxError } from '../sandbox-error.ts'

const RELATIVE = join('build', 'native', 'sallyport-helper')

/**
 * The static helper, built by `make`: looked up from this file upwards, which finds it from the sources and
 * from the bundle alike.
 */
export function findHelper(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const candidate = join(directory, RELATIVE)
    if (existsSync(candidate)) return candidate
    const parent = dirname(directory)
    if (parent === directory) break
    directory = parent
  }
  throw new SandboxError('SANDBOX_FAILED', 'Cannot find the static helper "build/native/sallyport-helper"', {
    hint: 'Build it with "make build"',
  })
}
