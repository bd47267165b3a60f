// SPDX-License-Identifier: Apache-2.0

import { quote } from '@sallyport/core'
import type { Findings } from './findings.ts'
import type { TemplateNode, Trigger, WorkflowInput } from './plan.ts'
import { field, literal, literalText, literalTexts, type NamedEntry, namedEntries } from './template-nodes.ts'

/** `on:` in its three forms: a name, a list of names, a mapping of names to filters. */
export function toTriggers(on: TemplateNode | null, findings: Findings): Trigger[] {
  if (on?.kind === 'mapping') {
    return namedEntries(on).map((entry) => toTrigger(entry, findings))
  }
  return literalTexts(on).map(({ text, at }) => toTrigger({ name: text, keyAt: at, value: { kind: 'literal', value: null, at } }, findings))
}

function toTrigger(entry: NamedEntry, findings: Findings): Trigger {
  const { name, keyAt, value } = entry
  for (const filter of ['branches', 'tags', 'paths']) {
    const ignored = field(value, `${filter}-ignore`)
    if (field(value, filter) !== null && ignored !== null) {
      const message = `${quote(filter)} and ${quote(`${filter}-ignore`)} cannot stand beside each other`
      findings.invalid(ignored.at, message, `put the ones to ignore into ${quote(filter)} with ! before them`)
    }
  }
  if (name === 'schedule') checkSchedule(value, findings)
  return {
    event: name,
    branches: patterns(value, 'branches', findings),
    branchesIgnore: patterns(value, 'branches-ignore', findings),
    tags: patterns(value, 'tags', findings),
    tagsIgnore: patterns(value, 'tags-ignore', findings),
    paths: patterns(value, 'paths', findings),
    pathsIgnore: patterns(value, 'paths-ignore', findings),
    types: texts(value, 'types'),
    inputs: name === 'workflow_dispatch' ? namedEntries(field(value, 'inputs')).map((input) => toInput(input, findings)) : [],
    at: keyAt,
  }
}

function texts(trigger: TemplateNode, key: string): string[] | null {
  const node = field(trigger, key)
  return node === null ? null : literalTexts(node).map(({ text }) => text)
}

function patterns(trigger: TemplateNode, key: string, findings: Findings): string[] | null {
  const list = texts(trigger, key)
  if (list !== null && list.length > 0 && list.every((pattern) => pattern.startsWith('!'))) {
    const at = field(trigger, key)?.at ?? trigger.at
    findings.notice(at, `${quote(key)} holds only patterns with !, so that nothing matches; add "**" before them`)
  }
  return list
}

function checkSchedule(schedule: TemplateNode, findings: Findings): void {
  for (const item of schedule.kind === 'sequence' ? schedule.items : []) {
    const cron = field(item, 'cron')
    const text = literalText(cron)
    if (cron === null || text === null || /^\S+( +\S+){4}$/.test(text.trim())) continue
    findings.invalid(cron.at, `${quote(text)} is no cron expression`, 'write five fields: minute hour day month weekday')
  }
}

function toInput(entry: NamedEntry, findings: Findings): WorkflowInput {
  const { name, keyAt, value } = entry
  const type = inputType(literalText(field(value, 'type')))
  const defaultNode = field(value, 'default')
  const given = literal(defaultNode)
  const optionsNode = field(value, 'options')
  const options = literalTexts(optionsNode).map(({ text }) => text)
  if (type === 'choice' && options.length === 0)
    findings.invalid(keyAt, `the input ${quote(name)} has no options to choose from`, 'add options:')
  if (type !== 'choice' && optionsNode !== null)
    findings.invalid(optionsNode.at, 'options need an input of the type choice', 'add type: choice')
  const fault = given === null ? null : defaultFault(type, given, options)
  if (defaultNode !== null && fault !== null) findings.invalid(defaultNode.at, `the default of the input ${quote(name)} ${fault}`)
  return { name, type, required: literal(field(value, 'required')) === true, default: given, options }
}

function inputType(text: string | null): WorkflowInput['type'] {
  return text === 'boolean' || text === 'number' || text === 'choice' || text === 'environment' ? text : 'string'
}

function defaultFault(type: WorkflowInput['type'], given: string | number | boolean, options: readonly string[]): string | null {
  if (type === 'boolean' && typeof given !== 'boolean') return 'has to be true or false'
  if (type === 'number' && typeof given !== 'number') return 'has to be a number'
  if (type === 'choice' && options.length > 0 && !options.includes(String(given)))
    return `has to be one of its options: ${options.map(quote).join(', ')}`
  return null
}
