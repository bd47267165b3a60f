// SPDX-License-Identifier: Apache-2.0

/** The walls of a step that are data of ours; the others are code of the helper and cannot be left out. */
export interface StepWalls {
  /** Compiled `struct sock_filter` array. */
  readonly seccomp: Uint8Array
  readonly capabilities: bigint
}

/** What the escape suite changes to remove one wall. The product only ever uses {@link ALL_WALLS}. */
export interface WallTransform {
  helper(path: string): string
  bundle(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>
  step(walls: StepWalls): StepWalls
}

export const ALL_WALLS: WallTransform = { helper: (path) => path, bundle: (config) => config, step: (walls) => walls }
