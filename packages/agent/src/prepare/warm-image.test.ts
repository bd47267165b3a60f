// SPDX-License-Identifier: Apache-2.0
// A sandbox that waits for its job over an image: held while it waits, checked as any other, and for no other image.
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { SANDBOX_PATHS, type Sandbox } from '@sallyport/sandbox'
import { plainImageTree } from '@sallyport/testkit'
import { effectiveLimits } from '../admit/limits.ts'
import { type GateAccess, JobGate } from '../gate/job-gate.ts'
import { imageFacts } from '../images/image-facts.ts'
import { HOST_IMAGE, type JobImage } from '../images/job-image.ts'
import { type WarmClass, WarmPool } from './warm-pool.ts'

const skip = process.getuid?.() === 0 ? false : 'sandboxes need root'
const stateDirectory = mkdtempSync(join(tmpdir(), 'sallyport-warm-image-'))
after(() => rmSync(stateDirectory, { recursive: true, force: true }))

const LIMITS = { ...effectiveLimits({}), memoryBytes: 256 << 20, memorySwapBytes: 256 << 20, diskBytes: 64 << 20, diskInodes: 4096 }
const NOTHING: GateAccess = {
  gate: { nameServers: [], hosts: {}, trustedHosts: [], privateNetworks: [], ownAddresses: [], authorities: null, terminates: [] },
  bytesOutMax: 0,
}
const CLASS: WarmClass = {
  stateDirectory,
  access: NOTHING,
  isolation: { driver: 'runc', name: 'oci', runsc: undefined, notice: null },
  limits: LIMITS,
  askedLimits: [],
  directories: [SANDBOX_PATHS.work, SANDBOX_PATHS.temp, posix.dirname(SANDBOX_PATHS.event)],
}
const { signal } = new AbortController()

/** Counts its holds, as the store's lock does. */
class HeldImage {
  holds = 0
  readonly image: JobImage

  constructor(name: string) {
    const root = plainImageTree(join(stateDirectory, name))
    writeFileSync(join(root, 'etc/image-name'), `${name}\n`)
    chmodSync(join(root, 'etc/image-name'), 0o644)
    const spec = { kind: 'tree', root, description: `registry.test/${name}@sha256:${'0'.repeat(64)}` } as const
    const facts = imageFacts(root, { FROM_IMAGE: name })
    const held = (): JobImage => {
      this.holds += 1
      let isHeld = true
      const letGo = async (): Promise<void> => {
        if (isHeld) this.holds -= 1
        isHeld = false
      }
      return { spec, facts, resolved: null, hold: async () => held(), [Symbol.asyncDispose]: letGo }
    }
    this.image = held()
  }
}

function claim(pool: WarmPool, image: JobImage): ReturnType<WarmPool['claim']> {
  return pool.claim({ wanted: CLASS, image, gate: new JobGate(NOTHING), signal })
}

async function nameIn(sandbox: Sandbox): Promise<string> {
  const step = await sandbox.startStep({
    id: '1',
    argv: ['/bin/sh', '-c', 'cat /etc/image-name; touch /etc/image-name || echo read-only'],
    env: { PATH: '/usr/bin:/bin' },
    workingDirectory: '/',
    files: [],
    collect: [],
    collectBytesMax: 0,
    network: null,
  })
  let output = ''
  for await (const part of step.output as AsyncIterable<Buffer>) output += part.toString()
  await step.exit
  return output
}

describe('a warm sandbox over an image', { skip }, () => {
  let tools: HeldImage
  let other: HeldImage
  before(() => {
    tools = new HeldImage('tools')
    other = new HeldImage('other')
  })

  it('is that image’s, has passed every check, and holds the image for as long as it waits', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, tools.image, 1)
    assert.equal(tools.holds, 2, 'the job’s own, and that of what waits')
    const prepared = await (claim(pool, await tools.image.hold()) ?? assert.fail('none waits'))
    assert.equal(tools.holds, 2, 'from here on it is the claimer’s hold that counts')
    assert.equal(prepared.image, tools.image.spec.kind === 'tree' ? tools.image.spec.description : '')
    assert.ok(prepared.checks.length > 200 && prepared.failed.length === 0)
    assert.equal(await nameIn(prepared.sandbox), 'tools\n')
    await prepared.sandbox[Symbol.asyncDispose]()
    await prepared.jobImage[Symbol.asyncDispose]()
    assert.equal(tools.holds, 1)
  })

  it('is none for a job of another image, nor of the host’s programs', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, tools.image, 1)
    for (const image of [other.image, HOST_IMAGE]) assert.equal(claim(pool, image), null)
    assert.equal(pool.size, 1)
  })

  it('lets its image go when it is not needed any more', async () => {
    {
      await using pool = new WarmPool()
      pool.fill(CLASS, tools.image, 2)
      assert.equal(tools.holds, 3)
    }
    assert.equal(tools.holds, 1)
  })
})
