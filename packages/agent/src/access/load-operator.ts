// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { type OperatorFile, parseOperatorFile } from '@sallyport/access'
import { readOperatorSource } from './access-source.ts'

export interface ReadOperator {
  readonly file: OperatorFile
  /** SHA-256, hexadecimal, of the file as it lies there. */
  readonly digest: string
}

/**
 * As it is written: no package manager is asked what its presets mean.
 *
 * @param named `--config`; null for the default place, where it need not be.
 * @throws AgentError OPERATOR_FILE_REFUSED; AccessError ACCESS_CEILING_INVALID
 */
export async function readOperator(named: string | null): Promise<ReadOperator | null> {
  const source = await readOperatorSource(named)
  if (source === null) return null
  return { file: await parseOperatorFile(source.name, source.text), digest: createHash('sha256').update(source.text).digest('hex') }
}

/** The file alone; {@link readOperator}. */
export async function loadOperator(named: string | null): Promise<OperatorFile | null> {
  return (await readOperator(named))?.file ?? null
}
