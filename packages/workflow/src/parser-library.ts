// SPDX-License-Identifier: Apache-2.0
import { registerHooks } from 'node:module'
import type { TemplateSchema } from '@actions/workflow-parser/templates/schema/template-schema'
import { repairSchema } from './schema-repairs.ts'

const SCHEMA_FILE = /\/@actions\/workflow-parser\/dist\/[^/]+\.json$/

/** The modules that read files: about 60 ms to load, so nothing loads them before a file has to be read. */
export interface ParserLibrary {
  readonly yaml: typeof import('yaml')
  readonly reader: typeof import('@actions/workflow-parser/templates/template-reader')
  readonly context: typeof import('@actions/workflow-parser/templates/template-context')
  readonly tokens: typeof import('@actions/workflow-parser/templates/tokens/index')
  readonly definitionInfo: typeof import('@actions/workflow-parser/templates/schema/definition-info')
  readonly trace: typeof import('@actions/workflow-parser/templates/trace-writer')
  readonly workflowSchema: () => TemplateSchema
  readonly actionSchema: () => TemplateSchema
}

/**
 * Loads the parser. Its two schema files are imported without the attribute that Node demands; a hook
 * adds it for exactly these files and only while they load. In a bundle they are inlined and the hook sees nothing.
 */
export async function loadParserLibrary(): Promise<ParserLibrary> {
  const hooks = registerHooks({
    load: (url, context, next) =>
      SCHEMA_FILE.test(url) ? next(url, { ...context, importAttributes: { type: 'json' } }) : next(url, context),
  })
  try {
    const [yaml, reader, context, tokens, definitionInfo, oneOf, trace, workflow, action] = await Promise.all([
      import('yaml'),
      import('@actions/workflow-parser/templates/template-reader'),
      import('@actions/workflow-parser/templates/template-context'),
      import('@actions/workflow-parser/templates/tokens/index'),
      import('@actions/workflow-parser/templates/schema/definition-info'),
      import('@actions/workflow-parser/templates/schema/one-of-definition'),
      import('@actions/workflow-parser/templates/trace-writer'),
      import('@actions/workflow-parser/workflows/workflow-schema'),
      import('@actions/workflow-parser/actions/action-schema'),
    ])
    return {
      yaml: withNamedExports(yaml),
      reader,
      context,
      tokens,
      definitionInfo,
      trace,
      workflowSchema: () => repairSchema(workflow.getWorkflowSchema(), oneOf.OneOfDefinition),
      actionSchema: () => repairSchema(action.getActionSchema(), oneOf.OneOfDefinition),
    }
  } finally {
    hooks.deregister()
  }
}

/** `yaml` is CommonJS: Node gives its names to an import, a bundler only the default export. */
function withNamedExports<Module extends object>(module: Module & { readonly default?: Module }): Module {
  return module.default ?? module
}
