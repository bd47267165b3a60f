// SPDX-License-Identifier: Apache-2.0
import type { OneOfDefinition } from '@actions/workflow-parser/templates/schema/one-of-definition'
import type { TemplateSchema } from '@actions/workflow-parser/templates/schema/template-schema'

/** What the published schemas refuse and GitHub runs, as definition, field of it, and the value that is right. */
const LOOSER: readonly (readonly [definition: string, field: string, value: string])[] = [
  ['repository-dispatch-string', 'constant', 'repository_dispatch'],
  ['workflow-dispatch-inputs', 'looseValueType', 'workflow-dispatch-input-or-null'],
  // No runner reads these two of an action's file: a colour that no market place has does no harm.
  ['action-root-strict', 'properties.branding.type', 'any'],
  ['input-strict', 'properties.required.type', 'any'],
]

/** Repairs a schema in place; once more changes nothing. */
export function repairSchema(schema: TemplateSchema, OneOf: typeof OneOfDefinition): TemplateSchema {
  for (const definition of Object.values(schema.definitions)) {
    // These tables also answered to `constructor` and the like.
    if ('properties' in definition) Object.setPrototypeOf(definition.properties, null)
  }
  // `inputs: { version: }` asks for a text and says no more about it.
  const input = new OneOf('workflow-dispatch-input-or-null')
  Reflect.set(input, 'oneOf', ['null', 'workflow-dispatch-input'])
  schema.definitions[input.key] = input
  for (const [definition, field, value] of LOOSER) set(schema.definitions[definition], field.split('.'), value)
  return schema
}

/** Each of the two schemas has only some of the definitions. */
function set(target: unknown, [field = '', ...rest]: readonly string[], value: string): void {
  if (typeof target !== 'object' || target === null) return
  if (rest.length === 0) Reflect.set(target, field, value)
  else set(Reflect.get(target, field), rest, value)
}
