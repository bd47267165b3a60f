// SPDX-License-Identifier: Apache-2.0

/** One line that an attack program printed about itself. Hostile in Sallyport, trusted for what a harmless program is: a report. */
export interface Attempt {
  readonly id: string
  /** `started`: only an observer outside can tell how it ended. */
  readonly outcome: 'got' | 'refused' | 'started'
  /** Name of the errno of a refusal; null when it was not the kernel's. */
  readonly error: string | null
  readonly detail: string
}

/** The attempts that an output tells of, in its order; lines may have a prefix (time stamp, job name). */
export function parseAttempts(output: string): readonly Attempt[] {
  const attempts: Attempt[] = []
  for (const line of output.split('\n')) {
    const match = /(?:^|[\s|])attempt ([a-z0-9-]+) (got|refused|started)(?: (.*))?$/.exec(line.trimEnd())
    if (match === null) continue
    const [, id = '', outcome = '', rest = ''] = match
    const refusal = outcome === 'refused' ? /^(E[A-Z0-9?]+|-)(?: (.*))?$/.exec(rest) : null
    attempts.push({
      id,
      outcome: outcome as Attempt['outcome'],
      error: refusal?.[1] === undefined || refusal[1] === '-' ? null : refusal[1],
      detail: refusal === null ? rest : (refusal[2] ?? ''),
    })
  }
  return attempts
}
