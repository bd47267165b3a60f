// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** When its input ends, the directory has to go. A program that still writes into it gets a moment to notice that we are gone. */
const GUARD = 'read -r _; n=0; while [ -e "$0" ] && [ $n -lt 100 ]; do rm -rf -- "$0" || sleep 0.05; n=$((n + 1)); done'

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
    this.#guard.stdin?.end()
  }
}

function ignoreMissingGuard(): void {
  // Without its guard the directory is still removed by us, only not after a crash.
}
