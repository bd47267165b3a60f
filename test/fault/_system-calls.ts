// SPDX-License-Identifier: Apache-2.0
// A program whose file operations fail, or are its last ones: strace makes them.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

/** Calls with which a file and its directory come to the disk, and what each can end with. */
export const EFFECTS: Readonly<Record<string, readonly string[]>> = {
  openat: ['error=EIO', 'error=ENOSPC'],
  pwrite64: ['error=EIO', 'error=ENOSPC', 'retval=0'],
  fdatasync: ['error=EIO', 'error=ENOSPC'],
  rename: ['error=EIO', 'error=ENOSPC'],
  fsync: ['error=EIO', 'error=ENOSPC'],
}

export const KILL = 'signal=SIGKILL'

/** One file, which starts at once. */
export async function bundleWriter(source: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [join(import.meta.dirname, source)],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    // As if it lay here: what was built is looked up from there
    define: { 'import.meta.url': JSON.stringify(import.meta.url), 'import.meta.dirname': '"writer"' },
    logLevel: 'error',
  })
}

export class TracedWriter {
  readonly #writer: string
  readonly #scratch: string

  /** `scratch`: where all of its files are. */
  constructor(writer: string, scratch: string) {
    this.#writer = writer
    this.#scratch = scratch
  }

  /** What it says, line by line. */
  run(args: readonly string[], straceArgs: readonly string[]): string[] {
    const argv = ['-f', '--seccomp-bpf', '-qq', '-o', this.#trace, ...straceArgs, process.execPath, this.#writer, ...args]
    // One thread for files: strace counts the calls of each thread by itself
    const { stdout } = spawnSync('strace', argv, {
      env: { UV_THREADPOOL_SIZE: '1', NODE_PATH: join(import.meta.dirname, '../../node_modules') },
      encoding: 'utf8',
      timeout: 240_000,
      killSignal: 'SIGKILL',
    })
    return stdout.split('\n').filter((line) => line !== '')
  }

  /** How often the thread that works on files made the call in the last run. */
  callsOf(call: string): number {
    const counts = new Map<string, number>()
    for (const line of readFileSync(this.#trace, 'utf8').split('\n')) {
      const [, thread = '', name] = /^(\d+) +(\w+)\(/.exec(line) ?? []
      if (name === call && line.includes(this.#scratch) === (call === 'openat' || call === 'rename'))
        counts.set(thread, (counts.get(thread) ?? 0) + 1)
    }
    return Math.max(0, ...counts.values())
  }

  get #trace(): string {
    return join(this.#scratch, 'trace')
  }
}
