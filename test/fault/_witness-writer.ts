// SPDX-License-Identifier: Apache-2.0
// A process of its own for the fault tests: a witness that takes the requests of a file, and says what it answered.
import { readFileSync, writeSync } from 'node:fs'
import { parseVerifierKey } from '@sallyport/audit-log'
import { Witness } from '../../packages/witness/src/server/witness.ts'

const [directory = '', requestsPath = ''] = process.argv.slice(2)
const { key, requests } = JSON.parse(readFileSync(requestsPath, 'utf8')) as { key: string; requests: { size: number; body: string }[] }

const say = (line: string): number => writeSync(1, `${line}\n`)

async function main(): Promise<void> {
  const witness = await Witness.open({ directory, name: 'w.test', logs: [parseVerifierKey(key)], onFork: () => undefined })
  for (const { size, body } of requests) {
    try {
      say(`${(await witness.add(Buffer.from(body, 'base64'))).status} ${size}`)
    } catch {
      say(`failed ${size}`)
    }
  }
}

main().catch(() => say('no witness'))
