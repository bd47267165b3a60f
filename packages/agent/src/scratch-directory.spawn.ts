// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * When its input ends without a line, we were killed, and the directory has to go, and to stay away for a moment: git, which may still write into it, makes the directory
 * anew, with those above its next file, and notices only then that we are gone.
 */
const GUARD = `read -r _ && exit
n=0 gone=0
while [ $n -lt 200 ] && [ $gone -lt 6 ]; do
  if [ -e "$0" ]; then rm -rf -- "$0"; gone=0; else gone=$((gone + 1)); fi
  sleep 0.05
  n=$((n + 1))
done`

/** A temporary directory that does not outlive this process, not even after `kill -9`: a guard at the other end of a pipe removes it. */
export class ScratchDirectory implements AsyncDisposable {
  readonly path: string
  readonly #guard: ChildProcess

  private constructor(path: string, guard: ChildProcess) {
    this.path = path
    this.#guard = guard
  }

  static async create(name: string): Promise<ScratchDirectory> {
    const path = join(tmpdir(), `sallyport-${name}-${randomUUID()}`)
    // The guard first: between the two we may be killed.
    // In a session of its own: Ctrl-C in a terminal goes to the whole process group.
    const guard = spawn('/bin/sh', ['-c', GUARD, path], {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin' },
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    guard.on('error', ignoreMissingGuard)
    guard.stdin?.on('error', ignoreMissingGuard)
    guard.unref()
    await mkdir(path, { mode: 0o700 })
    return new ScratchDirectory(path, guard)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
    this.#guard.stdin?.end('gone\n')
  }
}

function ignoreMissingGuard(): void {
  // Without its guard the directory is still removed by us, only not after a crash.
}
