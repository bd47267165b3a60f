// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import { createBoxCgroup } from './box-cgroup.ts'
import { buildPlainBox } from './compile.spawn.ts'

export interface PlainBoxOptions {
  /** Program and arguments, as seen in the box; or `script`. */
  readonly program?: readonly string[]
  /** Text for `sh`, run in the empty directory `/tmp/work`. */
  readonly script?: string
  /** Host paths (directories or files' directories) shown read-only as `/tmp/NAME`, by name. */
  readonly binds?: Readonly<Record<string, string>>
  /** What is planted: the secret that the fake worker, credentials file and metadata service hold. */
  readonly plant: { readonly secret: string }
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs: number
  /** Caps that keep the experiment in; they are no defence under test. */
  readonly pids?: number
  readonly memoryBytes?: number
  readonly diskBytes?: number
  readonly inodes?: number
}

export interface PlainBoxResult {
  /** Standard output and error in the order written; cut at {@link OUTPUT_BYTES_MAX}. */
  readonly stdout: string
  /** The program's code, 128 + signal, or 125 when the box could not be built. */
  readonly exitCode: number
  readonly timedOut: boolean
}

/** More than any attack prints; what follows is dropped. */
export const OUTPUT_BYTES_MAX: number = 16 * 2 ** 20

/**
 * Runs a harmless attack where nothing but the experiment's own fence stops it: root with every capability, targets
 * planted, in namespaces with loopback alone, under caps for processes and memory, on a tmpfs over a read-only machine.
 * Needs root. When it resolves, no process and no cgroup of the box remains.
 */
export async function runInPlainBox(options: PlainBoxOptions): Promise<PlainBoxResult> {
  const box = await buildPlainBox()
  const cgroup = createBoxCgroup({ pids: options.pids ?? 512, memoryBytes: options.memoryBytes ?? 2 ** 30 })
  try {
    return await start(box, argumentsOf(options, cgroup.directories), options)
  } finally {
    await cgroup.remove()
  }
}

function argumentsOf(options: PlainBoxOptions, cgroups: readonly string[]): readonly string[] {
  const command = options.program ?? ['/bin/sh', '-c', options.script ?? ':']
  return [
    ...cgroups.flatMap((directory) => ['--cgroup', directory]),
    ...Object.entries(options.binds ?? {}).flatMap(([name, source]) => ['--bind', source, name]),
    ...['--size', String(options.diskBytes ?? 256 * 2 ** 20)],
    ...['--inodes', String(options.inodes ?? 65536)],
    '--',
    ...command,
  ]
}

function start(box: string, argv: readonly string[], options: PlainBoxOptions): Promise<PlainBoxResult> {
  return new Promise((resolve, reject) => {
    const env = {
      PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
      HOME: '/root',
      LANG: 'C.UTF-8',
      ATTACK_DIR: '/tmp/work',
      ...options.env,
    }
    const child = spawn(box, argv, { env, stdio: ['pipe', 'pipe', 'pipe'] })
    const chunks: Buffer[] = []
    let bytes = 0
    let timedOut = false
    const keep = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes <= OUTPUT_BYTES_MAX) chunks.push(chunk)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    // It kills the box's process 1, and with it everything in the box, and waits for that; killed itself, it takes them along.
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGTERM')
    }, options.timeoutMs)
    child.on('error', reject)
    // The box may fail before it reads; its exit code and message tell why.
    child.stdin.on('error', () => undefined)
    child.stdin.end(`${options.plant.secret}\n`)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ stdout: Buffer.concat(chunks).toString('utf8'), exitCode: code ?? 137, timedOut })
    })
  })
}
