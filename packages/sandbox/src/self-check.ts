// SPDX-License-Identifier: Apache-2.0
import type { SandboxSpec, SelfCheckResult } from './contract.ts'
import type { EffectiveLimits } from './cgroup.ts'
import type { EnteredSandbox } from './drivers/entered-sandbox.ts'

export async function runSelfCheck(_input: { sandbox: EnteredSandbox; spec: SandboxSpec; idBase: number; limits: EffectiveLimits }, _signal: AbortSignal): Promise<readonly SelfCheckResult[]> {
  return []
}
