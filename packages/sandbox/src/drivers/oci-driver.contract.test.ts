// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { sandboxDriverContract } from '@sallyport/testkit'
import { createDriver, DRIVER_NAMES, type DriverName } from './registry.ts'

const directory = mkdtempSync(join(tmpdir(), 'sallyport-contract-'))
after(() => rmSync(directory, { recursive: true, force: true }))

async function whyNot(name: DriverName): Promise<string | false> {
  if (process.getuid?.() !== 0) return `${name}: sandboxes need root`
  const { usable, reason } = await createDriver(name, directory).probe(AbortSignal.timeout(30_000))
  return usable ? false : `${name}: ${reason}`
}

for (const name of DRIVER_NAMES.filter((driver) => driver !== 'gvisor')) {
  const skip = await whyNot(name)
  sandboxDriverContract(name, () => createDriver(name, directory), { skip })
}
