// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type LockEntry, missingVariants, type Packages } from '../../scripts/lock-variants.ts'
import { readText } from './_repository.ts'

const { packages } = JSON.parse(readText('package-lock.json')) as { packages: Packages }

describe('package-lock.json', () => {
  test('holds every optional package that another one names, or npm ci refuses it (mend: scripts/with-node.sh scripts/complete-lock.ts)', () => {
    assert.deepEqual(Object.keys(missingVariants(packages)), [])
  })

  test('pins by hash whatever can be installed where we run', () => {
    const unpinned = Object.entries(packages).filter(
      ([path, entry]) => path.startsWith('node_modules/') && entry.integrity === undefined && runsHere(entry) && !isOurs(path),
    )
    assert.deepEqual(
      unpinned.map(([path]) => path),
      [],
    )
  })
})

describe('an entry for another platform', () => {
  const parentOf = (name: string): Packages => ({
    'node_modules/tool': { version: '1.0.0', dev: true, optionalDependencies: { [name]: '1.0.0' } },
  })

  test('says for which system, processor and C library it is', () => {
    const [entry] = Object.values(missingVariants(parentOf('@tool/binding-linux-arm-musleabihf')))
    assert.deepEqual(entry, { version: '1.0.0', cpu: ['arm'], dev: true, libc: ['musl'], optional: true, os: ['linux'] })
  })

  test('is refused for a platform that we run on, and where the name tells none', () => {
    assert.throws(() => missingVariants(parentOf('@tool/binding-linux-x64-gnu')), /needs its hash/)
    assert.throws(() => missingVariants(parentOf('plugin')), /tells no platform/)
  })
})

function runsHere({ os, cpu, libc }: LockEntry): boolean {
  const fits = (value: string | readonly string[] | undefined, wanted: readonly string[]): boolean =>
    value === undefined || wanted.some((item) => [value].flat().includes(item))
  return fits(os, ['linux']) && fits(cpu, ['x64', 'arm64']) && fits(libc, ['glibc'])
}

/** Workspaces are links into packages/. */
function isOurs(path: string): boolean {
  return path.startsWith('node_modules/@sallyport/') || path === 'node_modules/sallyport'
}
