// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { basename, normalize } from 'node:path'
import { messageOf } from '@sallyport/core'
import { SANDBOX_PATHS, type StepSpec } from '@sallyport/sandbox'
import { AgentError } from '../agent-error.ts'

const SCRIPT_MAX_BYTES = 16 << 20

export interface ScriptArguments {
  /** Paths below the script directory are replaced by where the copies lie. */
  readonly argv: readonly string[]
  readonly files: StepSpec['files']
}

/**
 * The script that a CI runner names on our command line lies outside of the copied directory. It may hold interpolated secrets: it goes into the
 * step's private directory, which no disk and no other step sees.
 *
 * @throws AgentError REPOSITORY_UNREADABLE naming the file.
 */
export function bringScripts(argv: readonly string[], directory: string | null): ScriptArguments {
  const files: StepSpec['files'][number][] = []
  const bring = (argument: string, index: number): string => {
    if (directory === null || !normalize(argument).startsWith(`${normalize(directory).replace(/\/+$/, '')}/`)) return argument
    const name = `${index}-${basename(argument)}`
    files.push({ name, content: readScript(argument), mode: 0o755 })
    return `${SANDBOX_PATHS.step}/${name}`
  }
  return { argv: argv.map(bring), files }
}

function readScript(path: string): Uint8Array {
  try {
    // Others may write where it lies: neither a link nor a FIFO is followed or waited for.
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stats = fstatSync(file)
      if (!stats.isFile()) throw new Error('it is not a regular file')
      if (stats.size > SCRIPT_MAX_BYTES) throw new Error(`it has more than ${SCRIPT_MAX_BYTES} bytes`)
      return readFileSync(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw new AgentError('REPOSITORY_UNREADABLE', `Cannot read the script "${path}": ${messageOf(error)}`, { cause: error })
  }
}
