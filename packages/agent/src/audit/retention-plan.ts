// SPDX-License-Identifier: Apache-2.0
import { createRunStore, holdOn, isDue, PayloadStore, type RetainedThing, type Retention } from '@sallyport/store'
import { auditPlaces } from './audit-places.ts'
import type { RetentionClass } from './contract.ts'
import { type RunSpan, runSpans } from './run-spans.ts'

export interface RetentionPlan {
  /** Sources of which everything of the class that is over its time may go. */
  readonly due: ReadonlyMap<RetentionClass, ReadonlySet<string>>
  /** Of all that would go. */
  readonly outputBytes: ReadonlyMap<RetentionClass, number>
  readonly held: ReadonlySet<string>
}

/** What of the payloads and records in a state directory is over its time. */
export async function planRetention(stateDirectory: string, retention: Retention): Promise<RetentionPlan> {
  const spans = await runSpans(stateDirectory)
  const plan = new PlanBuilder(retention)
  const store = createRunStore(stateDirectory)
  for (const [source, span] of spans) {
    if (span.isRunning) continue
    const bytes = await store.outputBytes(source.slice('run/'.length))
    if (!plan.addRecord(source, span, bytes) && bytes > 0) plan.add('output', { source, ...span }, bytes)
  }
  for await (const { about } of new PayloadStore(auditPlaces(stateDirectory).log).list()) plan.addPayload(about, spans.get(about.source))
  return plan.done()
}

type Spanned = Omit<RetainedThing, 'class'>

class PlanBuilder {
  readonly #retention: Retention
  readonly #due = new Map<RetentionClass, Set<string>>()
  readonly #bytes = new Map<RetentionClass, number>()
  readonly #held = new Map<RetentionClass, Set<string>>()

  constructor(retention: Retention) {
    this.#retention = retention
  }

  add(kept: RetentionClass, thing: Spanned, bytes = 0): void {
    if (!isDue({ class: kept, ...thing }, this.#retention)) return
    if (this.#isHeld(kept, thing)) return addTo(this.#held, kept, thing.source)
    addTo(this.#due, kept, thing.source)
    this.#bytes.set(kept, (this.#bytes.get(kept) ?? 0) + bytes)
  }

  /** False: its time is not over. With a record goes what was printed, so that a hold on that keeps it. */
  addRecord(source: string, span: RunSpan, bytes: number): boolean {
    const thing = { source, ...span }
    if (!isDue({ class: 'record', ...thing }, this.#retention)) return false
    if (!this.#isHeld('output', thing)) this.add('record', thing, bytes)
    else addTo(this.#held, 'record', source)
    return true
  }

  /** Of a run that has a record, its beginning counts: what is of one run goes together. */
  addPayload(about: { readonly class: string; readonly at: string; readonly source: string }, span: RunSpan | undefined): void {
    if (about.class !== 'caller' && about.class !== 'record') return
    if (span?.isRunning !== true) this.add(about.class, { at: about.at, source: about.source, ...span })
  }

  #isHeld(kept: RetentionClass, thing: Spanned): boolean {
    return holdOn({ class: kept, ...thing }, this.#retention.holds) !== null
  }

  /** A source of which a part is held is left alone. */
  done(): RetentionPlan {
    for (const [kept, sources] of this.#held) for (const source of sources) this.#due.get(kept)?.delete(source)
    return { due: this.#due, outputBytes: this.#bytes, held: new Set([...this.#held.values()].flatMap((sources) => [...sources])) }
  }
}

function addTo(map: Map<RetentionClass, Set<string>>, kept: RetentionClass, source: string): void {
  map.set(kept, (map.get(kept) ?? new Set()).add(source))
}
