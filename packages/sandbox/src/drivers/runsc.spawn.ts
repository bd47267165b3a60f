// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const QUESTION = { env: {}, timeout: 10_000, maxBuffer: 4 << 20 } as const

/** Whether this build of runsc has a global flag of that name. */
export async function knowsFlag(path: string, name: string): Promise<boolean> {
  const { stdout, stderr } = await run(path, ['flags'], QUESTION)
  return `${stdout}\n${stderr}`.split('\n').some((line) => line.trim().split(' ')[0] === `-${name}`)
}

/** How many trace points the sandbox's kernel could tell a sensor of, by `runsc trace metadata`; 0 for a build without any. */
export async function countTracePoints(path: string): Promise<number> {
  try {
    const { stdout } = await run(path, ['trace', 'metadata'], QUESTION)
    return stdout.split('\n').filter((line) => /^Name: /.test(line.trim())).length
  } catch {
    // A build without the command has no points.
    return 0
  }
}
