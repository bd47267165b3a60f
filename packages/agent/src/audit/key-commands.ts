// SPDX-License-Identifier: Apache-2.0
import { listKeys } from './list-keys.ts'
import type { KeyCommands } from './retention-contract.ts'
import { prepareKey, rotateKey } from './rotate-key.ts'

export const keyCommands: KeyCommands = { prepare: prepareKey, rotate: rotateKey, list: listKeys }
