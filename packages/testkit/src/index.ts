// SPDX-License-Identifier: Apache-2.0
export { type Attempt, parseAttempts } from './attempt.ts'
export { type BoxCgroup, type BoxLimits, createBoxCgroup } from './box-cgroup.ts'
export { buildAttacks, buildPlainBox } from './compile.spawn.ts'
export { copyExample, type Example, type ExampleCopy, exampleNamed, readExamples } from './example.spawn.ts'
export { findRunsc } from './find-runsc.ts'
export { OUTPUT_BYTES_MAX, type PlainBoxOptions, type PlainBoxResult, runInPlainBox } from './plain-box.spawn.ts'
export { plainImageTree } from './plain-image.spawn.ts'
export { type ContractOptions, contractSpec, sandboxDriverContract } from './sandbox-driver-contract.ts'
export {
  type Ability,
  type ProviderContractOptions,
  type ProviderSubject,
  secretProviderContract,
  type Trouble,
} from './secret-provider-contract.ts'
export { doorTo, TestGate } from './test-gate.ts'
export { PLANTED_SECRET, runAgainInDisposableBox } from './walls/disposable-box.spawn.ts'
export { type GvisorWallName, UNDER_GVISOR } from './walls/gvisor-walls.ts'
export type { PlantName } from './walls/remove-walls.ts'
export { WALLS, type Wall, type WallName } from './walls/walls.ts'
export {
  EXPERIMENT_LIMITS,
  type Experiment,
  obstacleOf,
  runAttacks,
  runScript,
  runStep,
  type StepRequest,
  type StepRun,
  withGate,
  withSandbox,
} from './walls/with-sandbox.ts'
