// SPDX-License-Identifier: Apache-2.0
import { FIRST_DESCRIPTOR, SANDBOX_PATHS, type StepFile } from '@sallyport/sandbox'

interface SecretContent {
  readonly name: string
  readonly value: Buffer
  /** Among the secrets of one step. */
  readonly index: number
}

/** A value as a file of the step alone, in memory that is not swapped; `path`: where the step reads it. */
export function secretFile(kind: 'file' | 'fd', { name, value, index }: SecretContent): { readonly path: string; readonly file: StepFile } {
  const file: StepFile = { name: `secret-${name}`, content: value, mode: 0o400 }
  if (kind === 'file') return { path: `${SANDBOX_PATHS.step}/${file.name}`, file }
  const descriptor = FIRST_DESCRIPTOR + index
  return { path: `/dev/fd/${descriptor}`, file: { ...file, descriptor } }
}
