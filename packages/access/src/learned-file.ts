// SPDX-License-Identifier: Apache-2.0
// How a learned file is written: comments say what each rule is for, so that a person can doubt it.
import { formatSize, printable } from '@sallyport/core'
import type { Protocol } from './contract.ts'
import type { LearnedCondition } from './learned-conditions.ts'
import { usualProtocol, yamlText } from './refuse.ts'

export interface LearnedFile {
  readonly runs: readonly string[]
  readonly workflows: readonly string[]
  readonly jobs: readonly LearnedJob[]
  /** Hosts that were reached and that no rule can name. */
  readonly impossible: readonly string[]
}

export interface LearnedJob {
  readonly id: string
  readonly rules: readonly LearnedRule[]
  readonly steps: readonly LearnedSteps[]
}

export interface LearnedSteps {
  readonly id: string
  readonly rules: readonly LearnedRule[]
}

export interface LearnedRule {
  readonly host: string
  readonly protocol: Protocol
  /** Ascending. */
  readonly ports: readonly number[]
  readonly condition: LearnedCondition | null
  /** Ids of the steps that used it; those without are not named. */
  readonly steps: readonly string[]
  readonly connections: number
  readonly bytesOut: number
  readonly bytesIn: number
}

const LISTED_MAX = 20

export function formatLearned({ runs, workflows, jobs, impossible }: LearnedFile): string {
  const head = [
    `# What ${listed(workflows)} did in ${runs.length === 1 ? 'run' : 'runs'} ${listed(runs)}, and nothing more.`,
    '# Written by `sallyport access learn`: read it before you approve it with `sallyport trust`.',
    ...impossible.slice(0, LISTED_MAX).map((host) => `# No rule can name ${printable(host).slice(0, 300)}, which was reached too.`),
    'version: 1',
  ]
  const body = jobs.length === 0 ? ['# Nothing left the jobs: nothing has to be allowed.'] : ['jobs:', ...indent(jobs.flatMap(formatJob))]
  return `${[...head, ...body].join('\n')}\n`
}

function listed(texts: readonly string[]): string {
  const more = texts.length > LISTED_MAX ? ` and ${texts.length - LISTED_MAX} more` : ''
  return `${texts
    .slice(0, LISTED_MAX)
    .map((text) => printable(text).slice(0, 200))
    .join(', ')}${more}`
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `  ${line}`)
}

function formatJob({ id, rules, steps }: LearnedJob): readonly string[] {
  const ofSteps =
    steps.length === 0
      ? []
      : ['steps:', ...indent(steps.flatMap((step) => [`${yamlText(step.id)}:`, ...indent(formatEgress(step.rules, false))]))]
  return [`${yamlText(id)}:`, ...indent([...formatEgress(rules, true), ...ofSteps])]
}

function formatEgress(rules: readonly LearnedRule[], namesSteps: boolean): readonly string[] {
  return rules.length === 0 ? [] : ['egress:', ...indent(rules.flatMap((rule) => [formatReason(rule, namesSteps), ...formatRule(rule)]))]
}

function formatReason({ connections, bytesOut, bytesIn, steps, condition }: LearnedRule, namesSteps: boolean): string {
  const who = namesSteps && steps.length > 0 ? `${steps.length === 1 ? 'step' : 'steps'} ${listed(steps)}: ` : ''
  const why = condition?.paths === null ? '; every path, because the record does not hold all of them' : ''
  return `# ${who}${connections} ${connections === 1 ? 'connection' : 'connections'}, ${formatSize(bytesOut)} out, ${formatSize(bytesIn)} in${why}`
}

/** Longer, a map is written on several lines. */
const LINE_MAX = 110

function formatRule(rule: LearnedRule): readonly string[] {
  const { host, protocol, ports, condition } = rule
  const [port = 0] = ports
  if (condition === null && ports.length === 1 && usualProtocol(port) === protocol) {
    return [`- ${host.includes(':') ? yamlText(`[${host}]:${port}`) : `${host}:${port}`}`]
  }
  const pairs = [...doorPairs(rule), ...conditionPairs(condition)]
  const flow = `- { ${pairs.map(([key, value]) => `${key}: ${Array.isArray(value) ? `[${value.join(', ')}]` : value}`).join(', ')} }`
  if (flow.length <= LINE_MAX) return [flow]
  return pairs.flatMap(formatPair).map((line, index) => (index === 0 ? `- ${line}` : `  ${line}`))
}

type Pair = readonly [key: string, value: string | readonly string[]]

function formatPair([key, value]: Pair): readonly string[] {
  return typeof value === 'string' ? [`${key}: ${value}`] : [`${key}:`, ...value.map((item) => `  - ${item}`)]
}

/** A protocol is written where the ports alone would mean another. */
function doorPairs({ host, ports, protocol, condition }: LearnedRule): readonly Pair[] {
  const isHttp = condition !== null
  const meant = (port: number): Protocol => (isHttp && usualProtocol(port) !== 'http' ? 'tls' : usualProtocol(port))
  const portPair: Pair = ports.length === 1 ? ['port', String(ports[0])] : ['ports', ports.map(String)]
  return [['host', yamlText(host)], portPair, ...(ports.every((port) => meant(port) === protocol) ? [] : [['protocol', protocol] as const])]
}

function conditionPairs(condition: LearnedCondition | null): readonly Pair[] {
  if (condition === null) return []
  const { methods, paths, graphql, websocket } = condition
  const isTrue = (key: string, is: boolean): readonly Pair[] => (is ? [[key, 'true']] : [])
  const pathPairs: readonly Pair[] =
    paths === null ? [] : paths.length === 1 ? [['path', yamlText(paths[0] ?? '')]] : [['paths', paths.map(yamlText)]]
  return [['methods', methods], ...pathPairs, ...isTrue('graphql', graphql), ...isTrue('websocket', websocket)]
}
