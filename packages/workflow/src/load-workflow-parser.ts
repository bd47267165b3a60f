// SPDX-License-Identifier: Apache-2.0
import type { TemplateSchema } from '@actions/workflow-parser/templates/schema/template-schema'
import { toActionPlan } from './action-plan.ts'
import { Findings } from './findings.ts'
import { loadParserLibrary, type ParserLibrary } from './parser-library.ts'
import type { ActionPlan, TemplateNode, WorkflowPlan } from './plan.ts'
import { reportSchemaErrors } from './schema-problems.ts'
import { readSchema, type SchemaResult } from './schema-reader.ts'
import { readSourceTree, type SourceLimits } from './source-tree.ts'
import { toTemplateNode } from './template-tree.ts'
import { toWorkflowPlan } from './workflow-plan.ts'

const WORKFLOW_LIMITS: SourceLimits = { sizeMax: 2 ** 20, nodesMax: 100_000, depthMax: 64 }
/** An action's file is hostile, and YAML costs up to 7 µs a character at its worst: this bounds one file to about 2 s. */
const ACTION_LIMITS: SourceLimits = { sizeMax: 2 ** 18, nodesMax: 50_000, depthMax: 64 }

export interface WorkflowParser {
  /** @throws WorkflowError WORKFLOW_INVALID with every problem of the file. */
  parseWorkflow(file: string, text: string): WorkflowPlan
  /**
   * `text` is untrusted: it comes out of a job's workspace.
   * @throws WorkflowError ACTION_INVALID with every problem of the file.
   */
  parseAction(file: string, text: string): ActionPlan
}

/** Loads the parser, once a file has to be read; later calls are cheap. Everything behind it is synchronous. */
export async function loadWorkflowParser(): Promise<WorkflowParser> {
  const library = await loadParserLibrary()
  return {
    parseWorkflow: (file, text) => readWorkflow(library, file, text),
    parseAction: (file, text) => readAction(library, file, text),
  }
}

/** One file, without keeping the parser: `sallyport run` with a single workflow. */
export async function parseWorkflow(file: string, text: string): Promise<WorkflowPlan> {
  return (await loadWorkflowParser()).parseWorkflow(file, text)
}

function readWorkflow(library: ParserLibrary, file: string, text: string): WorkflowPlan {
  const findings = new Findings()
  const root = readTemplate(
    library,
    { file, text, limits: WORKFLOW_LIMITS, schema: library.workflowSchema(), root: 'workflow-root-strict' },
    findings,
  )
  const plan = root === null ? null : toWorkflowPlan(file, root, findings)
  findings.throwProblems('WORKFLOW_INVALID', plan?.triggers)
  return known(plan)
}

function readAction(library: ParserLibrary, file: string, text: string): ActionPlan {
  const findings = new Findings()
  const root = readTemplate(
    library,
    { file, text, limits: ACTION_LIMITS, schema: library.actionSchema(), root: 'action-root-strict' },
    findings,
  )
  const plan = root === null ? null : toActionPlan(file, root, findings)
  findings.throwProblems('ACTION_INVALID')
  return known(plan)
}

interface Source {
  readonly file: string
  readonly text: string
  readonly limits: SourceLimits
  readonly schema: TemplateSchema
  readonly root: string
}

function readTemplate(library: ParserLibrary, source: Source, findings: Findings): TemplateNode | null {
  const tree = readSourceTree(library, source.file, source.text, source.limits, findings)
  if (tree === null) return null
  const result = withoutNameDemand(readSchema(library, source.schema, source.root, tree))
  reportSchemaErrors(library, tree, result, findings)
  return result.root === null ? null : toTemplateNode(library, tree, result.root, findings)
}

/** The name of an action is for a market place; no runner asks for it. */
function withoutNameDemand(result: SchemaResult): SchemaResult {
  const demands = new Set(['Required property is missing: name', 'Required property is missing: description'])
  return { ...result, errors: result.errors.filter((error) => !(error.node === 0 && demands.has(error.message))) }
}

function known<Plan>(plan: Plan | null): Plan {
  if (plan === null) throw new TypeError('a file without problems gave no plan')
  return plan
}
