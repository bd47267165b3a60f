// SPDX-License-Identifier: Apache-2.0
import type { JobDocument, RunDocument } from '@sallyport/agent'
import { formatDuration, formatSize } from '@sallyport/core'
import { renderRefusedDoors, renderUsedDoors } from './doors.ts'
import { oneLine } from './sanitize.ts'
import { type Style, signOf } from './style.ts'
import { renderTable } from './table.ts'

const REFUSALS_SHOWN = 20
const FINDINGS_SHOWN = 20
const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'] as const
/** A step without a name is called by its first line, which may be long. */
const NAME_CHARACTERS_MAX = 60

/** What a run did, what was refused, who got which secret, where the record is. */
export function renderSummary(document: RunDocument, style: Style, options: { readonly steps: boolean }): string {
  const sections = [
    renderHead(document, style),
    document.jobs.map((job) => renderJob(job, style, options.steps)).join(''),
    renderUsedDoors(document.doors, (job, step) => where(document.jobs, job, step), style),
    renderRefusedDoors(document.doors, (job, step) => where(document.jobs, job, step), style),
    renderRefusals(document, style),
    renderFindings(document, style),
    renderSecrets(document, style),
    renderPublished(document, style),
    renderError(document, style),
    renderUnpublished(document),
    `Record: sallyport runs show ${oneLine(document.id)}\n`,
  ]
  return sections.filter((section) => section !== '').join('\n')
}

function renderHead({ conclusion, jobs, durationMs }: RunDocument, style: Style): string {
  const paint = conclusion === 'success' ? style.good : conclusion === 'failure' ? style.bad : style.warn
  return `${paint(oneLine(conclusion))}: ${countOf(jobs.length, 'job')} in ${formatDuration(durationMs)}\n`
}

function renderJob(job: JobDocument, style: Style, withSteps: boolean): string {
  const failed = job.steps
    .filter(({ conclusion }) => conclusion === 'failure')
    .map(({ name }) => `failed at "${oneLine(name, NAME_CHARACTERS_MAX)}"`)
  const proven = job.selfCheck === null ? [] : [`${countOf(job.selfCheck.passed, 'self-check')} passed`]
  const broken = (job.selfCheck?.failed ?? []).map((name) => `guarantee "${oneLine(name)}" does not hold`)
  const facts = [job.image, job.isolation].filter((fact) => fact !== null).map((fact) => oneLine(fact))
  const counts = job.steps.length === 0 ? [] : [countOf(job.steps.length, 'step')]
  const detail = [...counts, ...facts, ...proven, ...broken, ...failed].join(', ')
  const time = job.conclusion === 'skipped' ? 'skipped' : formatDuration(job.durationMs)
  const head = `${signOf(job.conclusion, style)} ${style.bold(oneLine(job.name))} ${style.dim(time)}${detail === '' ? '' : `  ${detail}`}\n`
  if (!withSteps) return head
  const steps = job.steps.map((step) => [
    `  ${signOf(step.conclusion, style)} ${oneLine(step.name, NAME_CHARACTERS_MAX)}`,
    step.conclusion === 'skipped' ? 'skipped' : formatDuration(step.durationMs),
    step.outcome === step.conclusion ? '' : `${step.outcome}, continued`,
  ])
  return head + renderTable(steps)
}

function renderRefusals({ refusals, jobs }: RunDocument, style: Style): string {
  const rows = refusals.map(({ job, step, what, detail }) => [`  ${where(jobs, job, step)}`, oneLine(what), oneLine(detail)])
  if (rows.length === 0) return ''
  const more = rows.length > REFUSALS_SHOWN ? `  … ${rows.length - REFUSALS_SHOWN} more in the record\n` : ''
  return `${style.bold('Refused')}\n${renderTable(rows.slice(0, REFUSALS_SHOWN))}${more}`
}

/** The worst first. Records of earlier releases have none. */
function renderFindings({ findings = [], jobs }: Partial<RunDocument> & Pick<RunDocument, 'jobs'>, style: Style): string {
  if (findings.length === 0) return ''
  const sorted = findings.toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity))
  const rows = sorted.map(({ rule, severity, job, step, message, remedy }) => [
    `  ${severity === 'critical' || severity === 'high' ? style.bad(severity) : oneLine(severity)}`,
    oneLine(rule),
    job === null ? '' : where(jobs, job, step),
    oneLine(remedy === null ? message : `${message}; ${remedy}`, 500),
  ])
  const more = rows.length > FINDINGS_SHOWN ? `  … ${rows.length - FINDINGS_SHOWN} more in the record\n` : ''
  return `${style.bold('Findings')}\n${renderTable(rows.slice(0, FINDINGS_SHOWN))}${more}`
}

/** Names only: a value never reaches this process's output. */
function renderSecrets({ secrets, jobs }: RunDocument, style: Style): string {
  if (secrets.length === 0) return ''
  const rows = secrets.map(({ name, job, step, delivery }) => [`  ${oneLine(name)}`, where(jobs, job, step), oneLine(delivery)])
  return `${style.bold('Secrets delivered')}\n${renderTable(rows)}`
}

/** Records of earlier releases have no word about it. */
function renderPublished({ published = [], jobs }: Pick<RunDocument, 'jobs'> & Partial<RunDocument>, style: Style): string {
  if (published.length === 0) return ''
  const rows = published.map(({ job, name, to, bytes }) => [
    `  ${oneLine(name)}`,
    where(jobs, job, null),
    formatSize(bytes),
    oneLine(to, 1000),
  ])
  return `${style.bold('Published')}\n${renderTable(rows)}`
}

function renderError({ error }: RunDocument, style: Style): string {
  if (error === null) return ''
  const hint = error.hint === null ? '' : `  ${oneLine(error.hint, 1000)}\n`
  return `${style.bad(`error[${oneLine(error.code)}]`)}: ${oneLine(error.message, 1000)}\n${hint}`
}

/** Records of earlier releases have no word about it. */
function renderUnpublished({ log }: RunDocument): string {
  const reason = log?.unpublished ?? null
  return reason === null ? '' : `notice: the log of this run is durable, and not published: ${oneLine(reason, 4000)}\n`
}

/** `job | step` by their names, for their ids. */
function where(jobs: readonly JobDocument[], key: string, step: string | null): string {
  const job = jobs.find((candidate) => candidate.key === key)
  const jobName = oneLine(job?.name ?? key)
  return step === null ? jobName : `${jobName} | ${oneLine(job?.steps.find(({ id }) => id === step)?.name ?? step, NAME_CHARACTERS_MAX)}`
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
