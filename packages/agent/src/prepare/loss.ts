// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises'

/** The keeper, which reaps the gate, says a moment later how that ended. */
const LAST_WORDS_MS = 250

interface CanBeLost {
  /** Resolves with the reason. */
  readonly lost: Promise<string>
}

/** Why there is no sandbox, or no gate, any more. The gate's own words come first: what follows from them is the end of the sandbox. */
export async function lossOf(sandbox: CanBeLost, gate: CanBeLost): Promise<string> {
  const gateGone = gate.lost.then((reason) => ({ reason, isGate: true }))
  const first = await Promise.race([gateGone, sandbox.lost.then((reason) => ({ reason, isGate: false }))])
  if (!first.isGate) return first.reason
  const more = await Promise.race([sandbox.lost, sleep(LAST_WORDS_MS, null, { ref: false })])
  return `its gate is gone: ${first.reason}${more === null ? '' : `; ${more}`}`
}
