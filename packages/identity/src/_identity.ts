// SPDX-License-Identifier: Apache-2.0
// A step that could be, the directory of a minter, and the clock of tests.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { JobIdentity } from './claims/claims.ts'

export const ISSUER = 'https://ci.example.test'
export const START_S: number = Date.UTC(2026, 10, 29, 12) / 1000

export function identity(changes: Partial<JobIdentity> = {}): JobIdentity {
  return {
    repository: 'acme/app',
    ref: 'refs/heads/main',
    sha: 'a'.repeat(40),
    workflow: 'Release',
    workflowRef: 'acme/app/.github/workflows/release.yml@refs/heads/main',
    jobWorkflowRef: 'acme/app/.github/workflows/release.yml@refs/heads/main',
    workflowDigest: `sha256:${'0'.repeat(64)}`,
    runId: '20261129-120000-abcd',
    job: 'publish',
    step: '2',
    environment: null,
    actor: 'somebody',
    eventName: 'push',
    runner: 'ci-1.example.test',
    isolation: 'oci',
    policyDigest: null,
    selfCheck: { passed: 20, failed: [] },
    ...changes,
  }
}

export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-identity-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Whole seconds, which only a test moves. */
export class TestClock {
  nowS: number = START_S
  readonly read = (): number => this.nowS
}
