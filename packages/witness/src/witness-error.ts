// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type WitnessErrorCode =
  /** The file that names its logs is missing, or names none. */
  | 'WITNESS_UNCONFIGURED'
  /** Another process is the witness of this directory. */
  | 'WITNESS_LOCKED'
  /** The files in its directory are not those that this witness writes. */
  | 'WITNESS_DAMAGED'
  /** Too few witnesses have cosigned a checkpoint; `details.outcomes` says what each one answered. */
  | 'WITNESS_QUORUM_MISSED'

export class WitnessError extends SallyportError<WitnessErrorCode> {
  override readonly name = 'WitnessError'
}
