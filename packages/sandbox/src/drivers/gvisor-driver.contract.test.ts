// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { findRunsc, sandboxDriverContract } from '@sallyport/testkit'
import { createDriver } from './registry.ts'

const directory = mkdtempSync(join(tmpdir(), 'sallyport-gvisor-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const runsc = findRunsc()

async function whyNot(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'gvisor: sandboxes need root'
  const { usable, reason } = await createDriver('gvisor', directory, { runsc }).probe(AbortSignal.timeout(120_000))
  return usable ? false : `gvisor: ${reason}`
}

sandboxDriverContract('gvisor', () => createDriver('gvisor', directory, { runsc }), { skip: await whyNot() })
