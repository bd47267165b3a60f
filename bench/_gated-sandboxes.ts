// SPDX-License-Identifier: Apache-2.0
// Prints, as JSON, how many milliseconds so many sandboxes with their gates took to be prepared, used for one step and disposed, so many at a time.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDriver } from '@sallyport/sandbox'
import { JobGate } from '../packages/agent/src/gate/job-gate.ts'
import { benchSpec, runIn, timeMany } from './_sandbox.ts'

const NO_ACCESS = {
  gate: { nameServers: [], hosts: {}, trustedHosts: [], privateNetworks: [], ownAddresses: [], authorities: null, terminates: [] },
  bytesOutMax: 0,
} as const

async function measure(count: number, width: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  const driver = createDriver('runc', directory)
  const signal = AbortSignal.timeout(240_000)
  const useOne = async (): Promise<void> => {
    await using sandbox = await driver.prepare({ ...benchSpec(), gate: new JobGate(NO_ACCESS).launch }, signal)
    await runIn(sandbox, ['/bin/true'])
  }
  try {
    await useOne()
    return await timeMany(count, width, useOne)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

void measure(Number(process.argv[2]), Number(process.argv[3])).then((ms) => process.stdout.write(JSON.stringify(ms)))
