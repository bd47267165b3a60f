// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runScript } from '@sallyport/testkit'
import { detach } from './_detach.ts'
import { behaviour, escape, inDisposableBox } from './_suite.ts'

await inDisposableBox()

/** Processes of the box, in all its pid namespaces, whose command line holds the text. */
function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && name !== String(process.pid) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(text)
    } catch {
      // It ended while we looked.
      return false
    }
  })
}

/** At most two minutes: the machine may be busy. */
async function waitFor(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 4800 && !isSo(); i += 1) await sleep(25)
  assert.ok(isSo())
}

escape({
  never: 'a process outlives its job, however it detached',
  probe: async (sandbox) => {
    const mark = randomUUID()
    await runScript(sandbox, detach(mark))
    await waitFor(() => processesWith(mark).length >= 4)
    await sandbox[Symbol.asyncDispose]()
    const left = processesWith(mark)
    for (const pid of left) process.kill(Number(pid), 'SIGKILL')
    return { outcome: left.length > 0 ? 'got' : 'refused', error: null, detail: `${left.length} processes are left` }
  },
  error: null,
  without: [['pid-namespace', 'cgroup-kill']],
  rows: [17],
})

behaviour({ name: 'kill -9 of the supervisor ends the job with all its processes', rows: [17] }, async () => {
  const mark = randomUUID()
  const supervisor = spawn(process.execPath, [join(import.meta.dirname, '_supervisor.ts'), mark], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(supervisor.stdout, 'data')
  await waitFor(() => processesWith(mark).length >= 4)
  supervisor.kill('SIGKILL')
  await waitFor(() => processesWith(mark).length === 0)
})
