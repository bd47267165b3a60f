// SPDX-License-Identifier: Apache-2.0
// A supervisor to be killed: builds a sandbox, leaves processes in it, says so, and waits.
import { setTimeout as sleep } from 'node:timers/promises'
import { runScript, withSandbox } from '@sallyport/testkit'
import { detach } from './_detach.ts'

await withSandbox({}, async (sandbox) => {
  await runScript(sandbox, detach(process.argv[2] ?? ''))
  process.stdout.write('ready\n')
  await sleep(60_000)
})
