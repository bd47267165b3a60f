// SPDX-License-Identifier: Apache-2.0
import { lstat, readdir, readFile } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve } from 'node:path'
import { messageOf } from '@sallyport/core'
import { loadWorkflowParser, WorkflowError, type WorkflowPlan } from '@sallyport/workflow'
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

/** All plans, or every problem of every file at once. @throws WorkflowError, AgentError. */
export async function readWorkflows(repository: string, files: readonly string[]): Promise<WorkflowPlan[]> {
  const texts = await Promise.all(files.map((file) => readText(resolve(repository, file), file)))
  const parser = await loadWorkflowParser()
  const plans: WorkflowPlan[] = []
  const problems: WorkflowError['problems'][number][] = []
  for (const [index, file] of files.entries()) {
    try {
      plans.push(parser.parseWorkflow(file, texts[index] ?? ''))
    } catch (error) {
      if (!(error instanceof WorkflowError)) throw error
      problems.push(...error.problems)
    }
  }
  if (problems.length > 0) throw new WorkflowError('WORKFLOW_INVALID', problems)
  return plans
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
