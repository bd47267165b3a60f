// SPDX-License-Identifier: Apache-2.0
import { type ExpectedEntry, SOURCE_CLOSED, SOURCE_OPENED } from '@sallyport/audit-log'
import { readDocuments } from '@sallyport/store'
import { claimOf, type RunClaim } from './run-range.ts'

/** So many of a state directory's finished runs are compared with the log, the newest: a bound on what a check reads. */
const RUNS_MAX = 1000

/** What the records of finished runs say about where they stand in the log of `origin`. Runs of an earlier log of this directory say nothing of it. */
export async function readClaims(stateDirectory: string, origin: string | null): Promise<readonly RunClaim[]> {
  const claims: RunClaim[] = []
  for await (const { id, document } of readDocuments(stateDirectory, RUNS_MAX)) {
    const claim = claimOf(id, document)
    if (claim !== null && claim.origin === origin) claims.push(claim)
  }
  return claims
}

export function expectedBy({ run, first, last }: RunClaim): ExpectedEntry[] {
  const from = `the record of run ${run}`
  const source = `run/${run}`
  return [
    { index: first, source, type: SOURCE_OPENED, from },
    { index: last, source, type: SOURCE_CLOSED, from },
  ]
}
