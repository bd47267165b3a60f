// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { plainImageTree, sandboxDriverContract } from '@sallyport/testkit'
import type { SandboxDriver, SandboxImage } from '../contract.ts'
import { createDriver, DRIVER_NAMES, type DriverName } from './registry.ts'

// The same duties as with the host's own programs, over an image.

const directory = mkdtempSync(join(tmpdir(), 'sallyport-tree-contract-'))
after(() => rmSync(directory, { recursive: true, force: true }))

async function whyNot(name: DriverName): Promise<string | false> {
  if (process.getuid?.() !== 0) return `${name}: sandboxes need root`
  const { usable, reason } = await createDriver(name, directory).probe(AbortSignal.timeout(30_000))
  return usable ? false : `${name}: ${reason}`
}

function withImage(driver: SandboxDriver, image: SandboxImage): SandboxDriver {
  return {
    name: driver.name,
    traits: driver.traits,
    obstacle: () => driver.obstacle(),
    probe: (signal) => driver.probe(signal),
    prepare: (spec, signal, onWaiting) => driver.prepare({ ...spec, image }, signal, onWaiting),
    begin: (gate, signal) => {
      const beginning = driver.begin(gate, signal)
      return {
        build: (spec, onWaiting) => beginning.build({ ...spec, image }, onWaiting),
        [Symbol.asyncDispose]: () => beginning[Symbol.asyncDispose](),
      }
    },
  }
}

const root = plainImageTree(join(directory, 'image'))

for (const name of DRIVER_NAMES.filter((driver) => driver !== 'gvisor')) {
  const skip = await whyNot(name)
  const create = (): SandboxDriver => withImage(createDriver(name, directory), { kind: 'tree', root, description: 'a plain tree' })
  sandboxDriverContract(`${name} over an image`, create, { skip })
}
