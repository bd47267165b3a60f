// SPDX-License-Identifier: Apache-2.0
import { pathToFileURL } from 'node:url'
import type { ScanReport } from './commands/secrets-scan.ts'
import { VERSION } from './version.ts'

/** The Static Analysis Results Interchange Format, OASIS, 2.1.0. */
export function sarifOf({ leaks, unsearched }: ScanReport): Readonly<Record<string, unknown>> {
  const rules = [...new Set(leaks.map(({ rule }) => rule))].map((id) => ({ id }))
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'sallyport', version: VERSION, rules } },
        results: leaks.map(({ rule, name, place, line, head, fingerprint }) => ({
          ruleId: rule,
          level: 'error',
          message: { text: name === null ? `${rule} ${head}… in ${place}` : `the value of ${name} in ${place}` },
          ...(fingerprint === null ? {} : { fingerprints: { 'sha256/64': fingerprint } }),
          locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(place) }, region: { startLine: line } } }],
        })),
        invocations: [
          {
            executionSuccessful: unsearched.length === 0,
            toolExecutionNotifications: unsearched.map(({ place, reason }) => ({
              level: 'error',
              message: { text: `${place}: ${reason}` },
            })),
          },
        ],
      },
    ],
  }
}

function uriOf(place: string): string {
  return pathToFileURL(place).href
}
