// SPDX-License-Identifier: Apache-2.0
// A process of its own for the fault tests: changes an embedded store, and says what is in it for good.
import { writeSync } from 'node:fs'
import { openEmbeddedStore, withVersion } from '@sallyport/secrets'

const [directory = '', first = '', last = ''] = process.argv.slice(2)
const say = (line: string): number => writeSync(1, `${line}\n`)

async function main(): Promise<void> {
  const store = await openEmbeddedStore(directory, { kind: 'own' })
  for (let count = Number(first); count <= Number(last); count++) {
    const fields = new Map([['value', Buffer.from(String(count))]])
    try {
      await store.change((content) => withVersion(content, { name: 'COUNT', fields, origin: 'set', nowMs: 1 }))
      say(`stored ${count}`)
    } catch (error) {
      say(`failed ${(error as { code?: string }).code}`)
    }
  }
}

main().catch((error: { code?: string }) => say(`no store ${error.code}`))
