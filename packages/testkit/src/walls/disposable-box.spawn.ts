// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createNestCgroup } from '../box-cgroup.ts'
import { buildAttacks, buildPlainBox, cacheDirectory } from '../compile.spawn.ts'

/** See plain-box/nest.h. */
const MARK = '/run/sallyport-disposable-box'

/** Caps of everything in the box together: what a sandbox without its limits runs into. */
const BOX_LIMITS = { pids: 1500, memoryBytes: 3 * 2 ** 30 }

/** The secret that the box's targets hold. */
export const PLANTED_SECRET = 'planted-in-the-box'

const repository = fileURLToPath(new URL('../../../..', import.meta.url))

/**
 * Runs this process's own program again in a disposable box (plain-box/plain-box.c, `--nest`): namespaces with nothing but loopback, caps for
 * processes and memory, a tmpfs over what is written, a read-only machine, planted targets. Experiments that take walls out belong
 * in there. Resolves with the program's exit code when all of it is gone; with null, at once, when this process is in a box.
 */
export async function runAgainInDisposableBox(): Promise<number | null> {
  if (existsSync(MARK)) return null
  await buildAttacks()
  const box = await buildPlainBox()
  const cgroup = createNestCgroup(BOX_LIMITS)
  try {
    return await start(box, await boxArguments(cgroup.directories))
  } finally {
    await cgroup.remove()
  }
}

/** On a disk, and kept between runs: the image's skeleton and the empty disks of jobs. */
export async function stateDirectory(): Promise<string> {
  const directory = join(await cacheDirectory(), 'state')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  return directory
}

async function boxArguments(cgroups: readonly string[]): Promise<string[]> {
  const kept = [repository, dirname(process.execPath)]
  const writable = [await cacheDirectory(), ...reportDirectories()]
  return [
    ...cgroups.flatMap((directory) => ['--cgroup', directory]),
    ...['--size', String(256 * 2 ** 20), '--nest', process.cwd()],
    ...kept.flatMap((directory) => ['--keep', directory]),
    ...writable.flatMap((directory) => ['--writable', directory]),
    ...['--', process.execPath, ...process.execArgv, ...process.argv.slice(1)],
  ]
}

/** Where the test runner's reporters write. */
function reportDirectories(): string[] {
  const option = '--test-reporter-destination='
  const files = process.execArgv.filter((argument) => argument.startsWith(option)).map((argument) => argument.slice(option.length))
  return files.filter((file) => file !== 'stdout' && file !== 'stderr').map((file) => dirname(resolve(file)))
}

function start(box: string, argv: readonly string[]): Promise<number> {
  return new Promise((done, reject) => {
    const child = spawn(box, argv, { stdio: ['pipe', 'inherit', 'inherit'] })
    child.on('error', reject)
    // The box may fail before it reads; its exit code and message tell why.
    child.stdin.on('error', () => undefined)
    child.stdin.end(`${PLANTED_SECRET}\n`)
    child.on('close', (code) => done(code ?? 137))
  })
}
