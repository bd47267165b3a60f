// SPDX-License-Identifier: Apache-2.0
import { emptyRoot, HASH_BYTES, type TreeHead } from '@sallyport/audit-log'
import { readWhole, writeFileDurably } from '../durable-file.ts'
import { StoreError } from '../store-error.ts'

const STATE_BYTES_MAX = 1024

/** The tree whose files are durable; always durable itself before a checkpoint of that tree is signed. */
export async function writeTreeState(path: string, { size, root }: TreeHead, temporary: string): Promise<void> {
  await writeFileDurably(path, `${JSON.stringify({ size, root: Buffer.from(root).toString('base64') })}\n`, temporary)
}

/** The empty tree where nothing was ever written. @throws StoreError STORE_CORRUPT */
export async function readTreeState(path: string): Promise<TreeHead> {
  const bytes = await readWhole(path, STATE_BYTES_MAX)
  if (bytes === null) return { size: 0, root: emptyRoot() }
  const head = parseTreeState(bytes.toString())
  if (head === null) throw new StoreError('STORE_CORRUPT', `Cannot read "${path}": it does not say which tree is durable`)
  return head
}

function parseTreeState(text: string): TreeHead | null {
  try {
    const { size, root } = JSON.parse(text) as { readonly size?: unknown; readonly root?: unknown }
    const hash = Buffer.from(String(root), 'base64')
    if (!Number.isSafeInteger(size) || (size as number) < 0 || hash.byteLength !== HASH_BYTES) return null
    return { size: size as number, root: hash }
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}
