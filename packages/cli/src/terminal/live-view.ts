// SPDX-License-Identifier: Apache-2.0
import { type EventEnvelope, formatDuration } from '@sallyport/core'
import { HIDE_CURSOR, SHOW_CURSOR } from './cursor.ts'
import { DoorNotes } from './doors.ts'
import { renderFrame, renderStep } from './frame.ts'
import { OutputTail } from './output-tail.ts'
import { type JobState, RunModel, type StepState } from './run-model.ts'
import { oneLine, Sanitizer } from './sanitize.ts'
import { quoteForShell } from './shell-quote.ts'
import type { Sink } from './sink.ts'
import { type Style, signOf } from './style.ts'
import type { View } from './view.ts'
import { fit, widthOf } from './width.ts'

const REPAINT_MS = 100

export interface LiveViewOptions {
  readonly stdout: Sink
  readonly stderr: Sink
  readonly style: Style
  readonly allowsColor: boolean
  readonly now: () => number
}

/**
 * Running jobs as a tree at the foot of the terminal (stderr), repainted in place; a finished job scrolls
 * up (stdout) with its steps, and with the end of the output of those that failed.
 */
export class LiveView implements View {
  readonly #options: LiveViewOptions
  readonly #model = new RunModel()
  readonly #doors = new DoorNotes()
  readonly #tails: Map<string, OutputTail> = new Map()
  readonly #timer: NodeJS.Timeout
  /** Widths of the lines that stand at the foot now: a narrower terminal has wrapped them since. */
  #painted: readonly number[] = []
  #run = ''

  constructor(options: LiveViewOptions) {
    this.#options = options
    options.stderr.write(HIDE_CURSOR)
    this.#timer = setInterval(() => this.#repaint(''), REPAINT_MS)
    this.#timer.unref()
  }

  event(event: EventEnvelope): void {
    this.#run = event.run
    this.#model.apply(event)
    const job = event.job === undefined ? undefined : this.#model.job(event.job)
    if (event.type === 'run.notice') this.note(`notice: ${oneLine(String(event.data['message']))}`)
    if (job === undefined) return
    if (event.type === 'step.warning') this.note(`${job.name} | warning: ${oneLine(String(event.data['message']))}`)
    const door = this.#doors.describe(event)
    if (door !== null)
      this.note(`${job.name} | ${door}${event.step === undefined ? '' : ` in step "${this.#model.stepName(job.key, event.step)}"`}`)
    if (event.type === 'step.finished' && event.data['conclusion'] !== 'failure') this.#tails.delete(tailKey(job.key, event.step ?? ''))
    if (event.type === 'job.finished' || event.type === 'job.skipped') this.#scrollUp(job)
  }

  output(job: string, step: string, bytes: Uint8Array): void {
    const key = tailKey(job, step)
    const tail = this.#tails.get(key) ?? new OutputTail()
    this.#tails.set(key, tail)
    tail.write(bytes)
  }

  note(line: string): void {
    this.#repaint(`${line}\n`)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#options.stderr.write(this.#erase() + SHOW_CURSOR)
    this.#painted = []
  }

  #scrollUp(job: JobState): void {
    const { stderr, stdout } = this.#options
    stderr.write(this.#erase())
    this.#painted = []
    stdout.write(`${this.#renderFinished(job).join('\n')}\n`)
    for (const step of job.steps) this.#tails.delete(tailKey(job.key, step.id))
    this.#repaint('')
  }

  #renderFinished(job: JobState): string[] {
    const { style, now, stdout } = this.#options
    const time = job.state === 'skipped' ? 'skipped' : formatDuration(job.durationMs ?? 0)
    const message = job.message === null ? '' : `: ${job.message}`
    const lines = [`${signOf(job.state, style)} ${style.bold(job.name)} ${style.dim(time)}${message}`]
    for (const step of job.steps) {
      lines.push(fit(renderStep(step, { style, nowMs: now(), columns: stdout.columns }), stdout.columns))
      if (step.state === 'failure') lines.push(...this.#renderFailure(job, step))
    }
    return lines
  }

  #renderFailure(job: JobState, step: StepState): string[] {
    const { style, stdout } = this.#options
    const tail = this.#tails.get(tailKey(job.key, step.id))
    const lines = tail?.end() ?? []
    const shown = lines.flatMap((line) => this.#sanitize(line)).map((line) => `    ${style.dim('│')} ${line}`)
    const cut = shown.map((line) => fit(line, stdout.columns))
    // To be copied, so it is never cut.
    const hint = `sallyport runs log ${this.#run} --job ${quoteForShell(job.key)} --step ${quoteForShell(step.id)}`
    if (tail !== undefined && tail.earlier > 0) cut.unshift(`    ${style.dim(`│ … ${tail.earlier} earlier lines: ${hint}`)}`)
    if (step.message !== null) cut.push(`    ${style.bad(step.message)}`)
    return cut
  }

  #sanitize(line: string): string[] {
    const sanitizer = new Sanitizer(this.#options.allowsColor)
    return (sanitizer.write(line.replace(/\r$/, '')) + sanitizer.end()).replaceAll('\t', '  ').split('\n')
  }

  /** One write, so that no half-erased frame is seen. */
  #repaint(above: string): void {
    const { stderr, style, now } = this.#options
    const lines = renderFrame(this.#model.jobs, { columns: stderr.columns, rows: stderr.rows, nowMs: now(), style })
    if (above === '' && lines.length === 0 && this.#painted.length === 0) return
    stderr.write(`${this.#erase()}${above}${lines.map((line) => `${line}\n`).join('')}`)
    this.#painted = lines.map(widthOf)
  }

  #erase(): string {
    const { columns } = this.#options.stderr
    const rows = this.#painted.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0)
    // Row by row: terminals keep in their history what one erasure of the whole screen takes away.
    return rows === 0 ? '' : `\r${'\x1b[A\x1b[2K'.repeat(rows)}`
  }
}

function tailKey(job: string, step: string): string {
  return JSON.stringify([job, step])
}
