// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { lstat, readdir, readFile } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve } from 'node:path'
import { messageOf } from '@sallyport/core'
import { loadWorkflowParser, type Trigger, WorkflowError, type WorkflowPlan } from '@sallyport/workflow'
import { AgentError } from '../agent-error.ts'

/** GitHub's own limit for a workflow file is 512 KiB. */
const FILE_MAX_BYTES = 1 << 20
const WORKFLOW_DIRECTORY = '.github/workflows'

/** Paths as they are shown: relative to the repository where they lie in it. */
export async function findWorkflowFiles(repository: string, named: readonly string[]): Promise<string[]> {
  if (named.length > 0) return named.map((path) => shownPath(repository, path))
  let names: string[]
  try {
    names = await readdir(join(repository, WORKFLOW_DIRECTORY))
  } catch (error) {
    throw new AgentError('NOTHING_TO_RUN', `Cannot find workflow files: there is no directory "${WORKFLOW_DIRECTORY}" in "${repository}"`, {
      cause: error,
      hint: 'Run it in the root of a repository, or name a file: sallyport run path/to/workflow.yml',
    })
  }
  const files = names.filter((name) => /\.ya?ml$/.test(name)).sort()
  if (files.length === 0)
    throw new AgentError('NOTHING_TO_RUN', `Cannot find workflow files: "${WORKFLOW_DIRECTORY}" holds no .yml or .yaml file`)
  return files.map((name) => join(WORKFLOW_DIRECTORY, name))
}

function shownPath(repository: string, path: string): string {
  const inside = relative(repository, resolve(repository, path))
  return inside.startsWith('..') || isAbsolute(inside) ? resolve(repository, path) : inside
}

/** A workflow file: its plan, or why it cannot run in this release. */
export interface ReadWorkflow {
  readonly file: string
  readonly name: string
  /** SHA-256 of the file as it was read, hexadecimal. */
  readonly digest: string
  readonly triggers: readonly Trigger[]
  readonly plan: WorkflowPlan | null
  /** Non-null without a plan: valid, and only asks for what Sallyport does not have yet. It matters if something triggers it. */
  readonly unsupported: WorkflowError | null
}

/** All files, or everything that is wrong in all of them at once. @throws WorkflowError, AgentError. */
export async function readWorkflows(repository: string, files: readonly string[]): Promise<ReadWorkflow[]> {
  const texts = await Promise.all(files.map((file) => readText(resolve(repository, file), file)))
  const parser = await loadWorkflowParser()
  const read: ReadWorkflow[] = []
  const problems: WorkflowError['problems'][number][] = []
  for (const [index, file] of files.entries()) {
    const digest = createHash('sha256')
      .update(texts[index] ?? '')
      .digest('hex')
    try {
      const plan = parser.parseWorkflow(file, texts[index] ?? '')
      read.push({ file, name: plan.name, digest, triggers: plan.triggers, plan, unsupported: null })
    } catch (error) {
      if (!(error instanceof WorkflowError)) throw error
      if (error.triggers === null) problems.push(...error.problems)
      else read.push({ file, name: file, digest, triggers: error.triggers, plan: null, unsupported: error })
    }
  }
  if (problems.length > 0) throw new WorkflowError('WORKFLOW_INVALID', problems)
  return read
}

async function readText(path: string, shown: string): Promise<string> {
  try {
    const stats = await lstat(path)
    // A FIFO would never answer, and hold one of Node's few file threads.
    if (!stats.isFile()) throw new Error('it is not a regular file')
    if (stats.size > FILE_MAX_BYTES) throw new Error(`it has ${stats.size} bytes, more than ${FILE_MAX_BYTES}`)
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new AgentError('REPOSITORY_UNREADABLE', `Cannot read workflow file "${shown}": ${messageOf(error)}`, { cause: error })
  }
}
