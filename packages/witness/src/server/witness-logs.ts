// SPDX-License-Identifier: Apache-2.0
import { parsePolicy, type VerifierKey } from '@sallyport/audit-log'
import { readWhole } from '@sallyport/store'
import { WitnessError } from '../witness-error.ts'

const FILE_BYTES_MAX = 1024 * 1024

/**
 * The keys of the logs that a file names: `log` lines of C2SP tlog-policy, so that a policy of those who rely on the log will do. A log
 * may have several keys. Witnesses and quorum in it are not ours to judge.
 *
 * @throws WitnessError WITNESS_UNCONFIGURED; AuditLogError AUDIT_LOG_MALFORMED, with the line
 */
export async function readWitnessLogs(path: string): Promise<readonly VerifierKey[]> {
  const bytes = await readWhole(path, FILE_BYTES_MAX)
  if (bytes === null) throw unconfigured(path, 'there is no such file')
  const keys = parsePolicy(bytes).logs.map(({ key }) => key)
  if (keys.length === 0) throw unconfigured(path, 'it names no log')
  return keys
}

function unconfigured(path: string, problem: string): WitnessError {
  return new WitnessError('WITNESS_UNCONFIGURED', `Cannot witness the logs of "${path}": ${problem}`, {
    hint: 'Write a line "log NAME+KEYID+KEY" for each log, and a line "quorum none"',
  })
}
