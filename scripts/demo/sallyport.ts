// SPDX-License-Identifier: Apache-2.0
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { RunDocument } from '@sallyport/agent'
import { rootPrefix } from '../as-root.ts'

const root = join(import.meta.dirname, '../..')

/** Sandboxes need root: the script starts again as root, or says so and ends. */
export function becomeRoot(script: string): void {
  const prefix = rootPrefix()
  if (prefix?.length === 0) return
  if (prefix === undefined) {
    process.stderr.write('demo: sandboxes need root; run as root, or where sudo needs no password\n')
    process.exit(5)
  }
  const [command, ...rest] = [...prefix, process.execPath, '--disable-warning=ExperimentalWarning', script]
  process.exit(spawnSync(command ?? '', rest, { stdio: 'inherit' }).status ?? 1)
}

export interface SallyportCall {
  readonly arguments: readonly string[]
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
  /** Shown while it runs, or returned. */
  readonly show: boolean
  readonly timeoutMs: number
  /** A command that ends by executing its arguments, e.g. in another network namespace. */
  readonly within?: readonly string[]
}

export interface SallyportAnswer {
  readonly exitCode: number
  /** Standard output; empty when it was shown. */
  readonly output: string
}

/** Without any network of this machine: what got past a broken wall would still go nowhere. */
export const OFFLINE: readonly string[] = ['unshare', '--net', '--']

export function sallyport(call: SallyportCall): Promise<SallyportAnswer> {
  return new Promise((resolve, reject) => {
    const [program = '', ...words] = [...(call.within ?? []), join(root, 'sallyport'), ...call.arguments]
    const child = spawn(program, words, {
      cwd: call.directory,
      env: { ...process.env, ...call.environment },
      stdio: ['ignore', call.show ? 'inherit' : 'pipe', 'inherit'],
    })
    const chunks: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
    // SIGINT lets it clean up after itself.
    const timer = setTimeout(() => child.kill('SIGINT'), call.timeoutMs)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ exitCode: code ?? 130, output: Buffer.concat(chunks).toString('utf8') })
    })
  })
}

/** `run --json` ends with its document, one line or many. */
export function documentOf(output: string): RunDocument {
  const start = output.startsWith('{\n') ? 0 : Math.max(output.lastIndexOf('\n{"', output.length - 2), output.lastIndexOf('\n{\n')) + 1
  const document = JSON.parse(output.slice(start)) as RunDocument
  if (typeof document.id !== 'string') throw new Error('sallyport run --json ended without a document')
  return document
}
