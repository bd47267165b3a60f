// SPDX-License-Identifier: Apache-2.0
import { findBuiltFile } from '@sallyport/linux'
import { SandboxError } from '../sandbox-error.ts'

/** The static helper, built by `make`. @throws SandboxError SANDBOX_FAILED */
export function findHelper(): string {
  const path = findBuiltFile('sallyport-helper')
  if (path !== null) return path
  throw new SandboxError('SANDBOX_FAILED', 'Cannot find the static helper "build/native/sallyport-helper"', {
    hint: 'Build it with "make build"',
  })
}
