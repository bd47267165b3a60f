// SPDX-License-Identifier: Apache-2.0
import type { AccessPlace } from '@sallyport/agent'
import type { Context } from '../context.ts'
import { fileOf } from './egress.ts'
import { findRepository } from './repository.ts'
import { stateDirectoryOf } from './shared.ts'

export interface PlaceFlags {
  readonly state?: string
  readonly access?: string
  readonly config?: string
}

/** The files that a run from here would take. */
export function placeOf(flags: PlaceFlags, { config, workingDirectory }: Context): AccessPlace {
  return {
    stateDirectory: stateDirectoryOf(flags, config.stateDirectory),
    repository: findRepository(workingDirectory),
    accessFile: fileOf(flags.access, workingDirectory),
    operatorFile: fileOf(flags.config, workingDirectory),
  }
}
