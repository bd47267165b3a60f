// SPDX-License-Identifier: Apache-2.0
// What the operator's file says of registries, for whoever brings images.
import { readFileSync } from 'node:fs'
import { allowsImage, type OperatorImages } from '@sallyport/access'
import { messageOf, quote } from '@sallyport/core'
import { AgentError } from '../agent-error.ts'

/** By `HOST[:PORT]`, in PEM. @throws AgentError IMAGE_AUTHORITY_UNREADABLE */
export function readAuthorities({ authorities }: OperatorImages): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(authorities).map(([registry, path]) => [registry, readAuthority(path)]))
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new AgentError('IMAGE_AUTHORITY_UNREADABLE', `Cannot read ${quote(path)}, an authority of a registry: ${messageOf(error)}`, {
      cause: error,
      hint: "Correct registries.authorities in the operator's file",
    })
  }
}

/** `name`: `HOST[:PORT]/REPOSITORY` in full; `verb`: what cannot be done with it. @throws AgentError IMAGE_NOT_ALLOWED */
export function assertWithinCeiling(operator: OperatorImages, name: string, verb: 'run in' | 'bring'): void {
  if (allowsImage(operator, name)) return
  const allowed = operator.allow ?? []
  throw new AgentError('IMAGE_NOT_ALLOWED', `Cannot ${verb} the image ${quote(name)}: the operator's file does not allow it`, {
    hint:
      allowed.length === 0
        ? 'The operator allows images with registries: { allow: [HOST/PATH] }'
        : `It allows what begins with ${allowed.join(' or ')}`,
  })
}
