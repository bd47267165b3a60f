// SPDX-License-Identifier: Apache-2.0
// Servers of tests run as nobody, in a directory of their own, and end with the test.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, linkSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const NOBODY = 65534
const DROP = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups']
const OUTPUT_LENGTH_MAX = 64 * 1024

export class UnprivilegedServer implements AsyncDisposable {
  readonly directory: string
  #child: ChildProcess | null = null
  #output = ''

  constructor(name: string) {
    this.directory = mkdtempSync(join(tmpdir(), `sallyport-${name}-`))
    chmodSync(this.directory, 0o755)
    chownSync(this.directory, NOBODY, NOBODY)
  }

  /** What it printed, at its end. */
  get output(): string {
    return this.#output
  }

  file(name: string): string {
    return join(this.directory, name)
  }

  /** The program may lie where nobody but root gets to. */
  bring(program: string, name: string): string {
    const path = this.file(name)
    try {
      linkSync(program, path)
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EXDEV')
      copyFileSync(program, path)
    }
    return path
  }

  /** As `bring`, of all that is in it. */
  bringDirectory(source: string, name: string): string {
    const path = this.file(name)
    const isSameDisk = statSync(source).dev === statSync(this.directory).dev
    execFileSync('cp', ['--recursive', ...(isSameDisk ? ['--link'] : []), source, path])
    chmodSync(path, 0o755)
    return path
  }

  /** To its end. */
  run(command: string, args: readonly string[]): void {
    execFileSync('setpriv', [...DROP, command, ...args], { cwd: this.directory, stdio: ['ignore', 'ignore', 'pipe'] })
  }

  start(command: string, args: readonly string[]): void {
    const child = spawn('setpriv', [...DROP, command, ...args], { cwd: this.directory, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString('utf8')).slice(-OUTPUT_LENGTH_MAX)
      })
    }
    this.#child = child
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  await new Promise((resolve) => server.close(resolve))
  return address.port
}

/** Asks until the answer is yes. */
export async function until(what: string, ask: () => Promise<boolean>, attempts = 200): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    if (await ask()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.fail(`it did not come to pass: ${what}`)
}
