// SPDX-License-Identifier: Apache-2.0
import type { StepFile } from '@sallyport/sandbox'
import type { ExecOptions } from '../contract.ts'
import { secretFile } from '../secrets/secret-file.ts'

export interface DeliveredSecrets {
  /** Values, and paths of those that are delivered as files. */
  readonly env: Readonly<Record<string, string>>
  readonly files: readonly StepFile[]
}

/** What the command gets of the secrets that it is given. */
export function deliverSecrets({ secrets, deliver }: Pick<ExecOptions, 'secrets' | 'deliver'>): DeliveredSecrets {
  const env: Record<string, string> = {}
  const files: StepFile[] = []
  for (const [name, value] of Object.entries(secrets)) {
    const kind = Object.hasOwn(deliver, name) ? deliver[name] : undefined
    if (kind === undefined) env[name] = value
    else {
      const { path, file } = secretFile(kind, { name, value: Buffer.from(value), index: files.length })
      env[name] = path
      files.push(file)
    }
  }
  return { env, files }
}
