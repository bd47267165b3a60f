// SPDX-License-Identifier: Apache-2.0
import { access, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { RecordPart } from './contract.ts'
import { destroyFile, syncDirectory } from './durable-file.ts'
import { isRunId } from './run-id.ts'
import { errnoOf, StoreError } from './store-error.ts'

/** Destroys a part of the record of a run that is over. After a crash, calling it again finishes it. */
export async function eraseRecord(runs: string, id: string, part: RecordPart): Promise<void> {
  if (!isRunId(id)) throw new TypeError(`"${id}" is no run id`)
  try {
    if (part === 'output') await eraseOutput(join(runs, id, 'log'))
    else await eraseAll(runs, id)
  } catch (error) {
    throw StoreError.from(`Cannot erase the record of run "${id}"`, error)
  }
}

/** Under a name that no run has: nobody lists or opens what is half gone. */
async function eraseAll(runs: string, id: string): Promise<void> {
  const leaving = join(runs, `.erasing-${id}`)
  if (await isThere(join(runs, id))) await rename(join(runs, id), leaving)
  else if (!(await isThere(leaving))) return
  await syncDirectory(runs)
  await eraseOutput(join(leaving, 'log'))
  await destroyDocuments(leaving)
  await rm(leaving, { recursive: true, force: true })
  await syncDirectory(runs)
}

/** With what a crash left of it, and the salt of what the log says of it. */
async function destroyDocuments(directory: string): Promise<void> {
  for (const item of await readdir(directory, { withFileTypes: true }))
    if (item.isFile() && item.name.startsWith('run.json')) await destroyFile(join(directory, item.name))
}

/** The keys first: without them nobody can tell from a commitment what was printed. */
async function eraseOutput(directory: string): Promise<void> {
  const names = (await isThere(directory)) ? await readdir(directory) : []
  for (const name of names) if (name.endsWith('.key')) await destroyFile(join(directory, name))
  for (const name of names) await rm(join(directory, name), { recursive: true, force: true })
  if (names.length > 0) await syncDirectory(directory)
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}
