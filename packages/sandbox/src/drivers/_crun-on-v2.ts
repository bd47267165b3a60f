// SPDX-License-Identifier: Apache-2.0
// The contract suite over crun, for crun-on-v2.test.ts: run in a mount namespace that shows version 2 of cgroups alone. Its hierarchy
// has no controllers where the machine's version 1 holds them, so that no limit can be given; all else can be tried.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { sandboxDriverContract } from '@sallyport/testkit'
import type { Guarantee } from '../contract.ts'
import { createDriver } from './registry.ts'
import { ALL_WALLS } from './walls.ts'

const directory = mkdtempSync(join(tmpdir(), 'sallyport-crun-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const withoutResources = (config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => ({
  ...config,
  linux: { ...(config['linux'] as Readonly<Record<string, unknown>>), resources: {} },
})

const missing = JSON.parse(process.argv[2] ?? '[]') as Guarantee[]
sandboxDriverContract('crun', () => createDriver('crun', directory, { walls: { ...ALL_WALLS, bundle: withoutResources } }), {
  skip: false,
  missing,
})
