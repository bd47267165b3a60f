// SPDX-License-Identifier: Apache-2.0
import { EngineError } from './errors.ts'
import { placed } from './evaluation.ts'
import { type Asks, type Attempt, type Frame, type JobState, StepCancelled } from './job-state.ts'

/** Turns what a step throws into how it ended. Anything else is our own mistake and goes on. */
export function* settled(job: JobState, frame: Frame, body: Asks<Attempt>): Asks<Attempt> {
  try {
    return yield* body
  } catch (thrown) {
    job.process = null
    if (thrown instanceof StepCancelled) return { outcome: 'cancelled', exitCode: null, message: 'the step was cancelled' }
    if (thrown instanceof EngineError) return { outcome: 'failure', exitCode: null, message: placed(frame.step.at, thrown.message) }
    throw thrown
  }
}
