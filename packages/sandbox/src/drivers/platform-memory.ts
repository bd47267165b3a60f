// SPDX-License-Identifier: Apache-2.0
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'
import { PLATFORMS, type Platform } from './runsc.ts'

/**
 * Which platform of gVisor started here last: to try takes a second, and one that hangs many. It counts for this boot, this kernel and this very file of the
 * runtime. `directory` is Sallyport's own.
 */
export async function readPlatform(directory: string, runtime: string): Promise<Platform | null> {
  try {
    const { key, platform } = JSON.parse(await readFile(fileIn(directory), 'utf8')) as { key?: unknown; platform?: unknown }
    return key === (await keyOf(runtime)) ? (PLATFORMS.find((known) => known === platform) ?? null) : null
  } catch {
    // None yet, or cut short by a crash: it is tried again.
    return null
  }
}

export async function writePlatform(directory: string, runtime: string, platform: Platform): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const fresh = `${fileIn(directory)}.${process.pid}`
  await writeFile(fresh, JSON.stringify({ key: await keyOf(runtime), platform }))
  await rename(fresh, fileIn(directory))
}

function fileIn(directory: string): string {
  return join(directory, 'gvisor-platform.json')
}

async function keyOf(runtime: string): Promise<string> {
  const { size, mtimeMs, ino } = await stat(runtime)
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
  return [runtime, size, mtimeMs, ino, release(), boot.trim()].join(' ')
}
