// SPDX-License-Identifier: Apache-2.0
import { HASH_BYTES, type TreeHead } from '@sallyport/audit-log'
import { readWhole, writeFileDurably } from '@sallyport/store'
import { AgentError } from '../agent-error.ts'

const BYTES_MAX = 4096

/** What a verifier keeps of a log that it found sound. Kept where the log's host cannot write, it finds a log that was rolled back or forked. */
export interface RememberedLog {
  /** Today's verifier key; with its name, the log's. */
  readonly key: string
  readonly head: TreeHead
}

/** Null where nothing is remembered yet. @throws AgentError AUDIT_MEMORY_INVALID */
export async function readRemembered(path: string): Promise<RememberedLog | null> {
  const bytes = await readWhole(path, BYTES_MAX)
  if (bytes === null) return null
  const remembered = parse(bytes.toString())
  if (remembered !== null) return remembered
  throw new AgentError('AUDIT_MEMORY_INVALID', `Cannot use "${path}": it is not what audit verify --remember writes`, {
    hint: 'Name the file of an earlier check, or one that does not exist yet',
  })
}

export async function writeRemembered(path: string, { key, head }: RememberedLog): Promise<void> {
  await writeFileDurably(path, `${JSON.stringify({ key, size: head.size, root: Buffer.from(head.root).toString('base64') })}\n`)
}

function parse(text: string): RememberedLog | null {
  try {
    const { key, size, root } = JSON.parse(text) as Record<string, unknown>
    const hash = Buffer.from(String(root), 'base64')
    const isValid = typeof key === 'string' && Number.isSafeInteger(size) && (size as number) >= 0 && hash.byteLength === HASH_BYTES
    return isValid ? { key, head: { size: size as number, root: hash } } : null
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}
