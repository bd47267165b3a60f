// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

/** `GATE_LOST`: the gate's process ended, hung, or said something that no gate says; nothing goes out of the job any more. */
export type GateErrorCode = 'GATE_LOST'

export class GateError extends SallyportError<GateErrorCode> {
  override readonly name = 'GateError'
}
