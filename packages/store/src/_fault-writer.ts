// SPDX-License-Identifier: Apache-2.0
// A process of its own for the fault tests: writes to a record until it is killed, or until the disk refuses.
import { createRunStore } from './run-store.ts'

const [state = '', mode = ''] = process.argv.slice(2)
await using record = await createRunStore(state).create('r1')
const log = await record.openLog('build')

async function append(): Promise<void> {
  const { seq } = await record.append({ type: 'test.event', data: { text: 'x'.repeat(900) } })
  process.stdout.write(`${seq}\n`)
}

async function untilRefused(action: () => Promise<void>): Promise<string> {
  for (let round = 0; round < 100_000; round += 1) {
    try {
      await action()
    } catch (error) {
      return (error as { code: string }).code
    }
  }
  return 'never'
}

const codes = mode === 'log' ? await untilRefused(() => log.write(Buffer.alloc(4096))) : await untilRefused(append)
process.stdout.write(`refused ${codes}\n`)
process.stdout.write(`document ${await untilRefused(() => record.finish({ text: 'x'.repeat(1e6) }))}\n`)
