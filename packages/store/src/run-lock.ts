// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createFile, openFile } from './durable-file.ts'
import { errnoOf } from './store-error.ts'

const LOCK_BYTES_MAX = 1024

/**
 * Which process owns a run: its id, its start time in clock ticks after boot (ids are used again),
 * and the boot (so are ticks).
 */
interface Owner {
  readonly pid: number
  readonly startTicks: string
  readonly boot: string
}

/** Written once by the process that makes the run; removed when it lets go. */
export async function writeLock(directory: string): Promise<void> {
  const startTicks = await startTicksOf(process.pid)
  const owner: Owner = { pid: process.pid, startTicks: startTicks ?? '', boot: await bootId() }
  const file = await createFile(join(directory, 'lock'))
  try {
    await file.write(Buffer.from(`${JSON.stringify(owner)}\n`), 0)
  } finally {
    await file.close()
  }
}

/** True while the process that made the run lives. */
export async function isLocked(directory: string): Promise<boolean> {
  const owner = await readOwner(join(directory, 'lock'))
  if (owner === null || owner.boot !== (await bootId())) return false
  return owner.startTicks !== '' && (await startTicksOf(owner.pid)) === owner.startTicks
}

async function readOwner(path: string): Promise<Owner | null> {
  try {
    const handle = await openFile(path)
    await using _closing = handle
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(LOCK_BYTES_MAX), 0, LOCK_BYTES_MAX, 0)
    const { pid, startTicks, boot } = JSON.parse(buffer.toString('utf8', 0, bytesRead)) as Partial<Owner>
    if (!Number.isSafeInteger(pid) || typeof startTicks !== 'string' || typeof boot !== 'string') return null
    return { pid: pid as number, startTicks, boot }
  } catch (error) {
    // Gone, or torn by the crash of its owner: nobody holds it.
    if (error instanceof SyntaxError || errnoOf(error) === 'ENOENT') return null
    throw error
  }
}

function bootId(): Promise<string> {
  return readFile('/proc/sys/kernel/random/boot_id', 'utf8').then((text) => text.trim())
}

/** Field 22 of `/proc/PID/stat`; null when there is no such process, or only its zombie. */
async function startTicksOf(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name, which may hold spaces and parentheses of its own.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const isDead = fields[0] === 'Z' || fields[0] === 'X'
    return isDead ? null : (fields[19] ?? null)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return null
    throw error
  }
}
