// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import type { OperatorFile } from '@sallyport/access'
import type { ProviderDescription, ProviderKind } from '@sallyport/secrets'

/** The embedded store: the provider that needs no operator. */
export const STORE = 'store'

export function providersOf(operator: OperatorFile | null, stateDirectory: string): readonly ProviderDescription[] {
  const named = (operator?.providers ?? []).map(({ name, kind, settings }) => ({ name, kind: kind as ProviderKind, settings }))
  return [...named, { name: STORE, kind: 'embedded', settings: { directory: join(stateDirectory, 'secrets') } }]
}
