// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import type { Sandbox } from '@sallyport/sandbox'
import { globToMatcher } from '@sallyport/workflow'
import { ReadAllowance } from './read-allowance.ts'

/** A workspace with more entries than this is refused: listing it would be the job's way to use our memory. */
const ENTRIES_MAX = 1_000_000

/**
 * GitHub's `hashFiles`: SHA-256 over the SHA-256 of each matching file in the order of their paths; empty when none matches. The
 * files are the job's and so is the answer: it is no evidence of anything.
 */
export async function hashFiles(
  sandbox: Sandbox,
  workspace: string,
  { patterns, bytesMax }: { readonly patterns: readonly string[]; readonly bytesMax: number },
): Promise<string> {
  const matches = globToMatcher([...patterns], workspace)
  const entries = await sandbox.listFiles(workspace, ENTRIES_MAX)
  const paths = entries
    .filter((entry) => entry.type === 'file' && matches(entry.path))
    .map((entry) => entry.path)
    .sort((left, right) => (left < right ? -1 : 1))
  if (paths.length === 0) return ''
  const total = createHash('sha256')
  const allowance = new ReadAllowance(bytesMax)
  await sandbox.readFiles(workspace, paths, async (path, content) => {
    if (content === null) return
    const one = createHash('sha256')
    for await (const part of allowance.of(content, path)) one.update(part)
    total.update(one.digest())
  })
  return total.digest('hex')
}
