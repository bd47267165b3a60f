// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { packageRules } from './_house.ts'
import { packageSources, readText, root } from './_repository.ts'
import { cyclesIn, type Declared, violationsIn } from './_rules.ts'
import { readFacts } from './_source-facts.ts'

interface Manifest {
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
}

const names = readdirSync(join(root, 'packages'))
const manifestOf = (name: string): Manifest => JSON.parse(readText(`packages/${name}/package.json`)) as Manifest
const declared: Declared = Object.fromEntries(names.map((name) => [name, Object.keys(manifestOf(name).dependencies ?? {})]))

describe('the packages', () => {
  const sources = packageSources()

  test('import only what their rows in _house.ts allow, and use nothing that is banned', () => {
    assert.deepEqual(
      sources.flatMap((facts) => violationsIn(facts, declared)),
      [],
    )
  })

  test('have no cycle of value imports', () => {
    assert.deepEqual(cyclesIn(sources), [])
  })

  test('have a row each, and no row is left over', () => {
    assert.deepEqual(names.toSorted(), Object.keys(packageRules).toSorted())
  })

  test('pin exact versions of what they depend on', () => {
    const loose = names.flatMap((name) =>
      Object.entries(manifestOf(name).dependencies ?? {}).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)),
    )
    assert.deepEqual(loose, [])
  })

  test('form levels: no row leads back to itself', () => {
    const facts = Object.entries(packageRules).map(([name, rule]) => ({
      path: `packages/${name}/src/index.ts`,
      imports: rule.packages.map((target) => ({ specifier: `@sallyport/${target}`, line: 1, isTypeOnly: false })),
      uses: [],
      errorCodes: [],
    }))
    assert.deepEqual(cyclesIn(facts), [])
  })
})

describe('the checker catches', () => {
  const declares: Declared = { core: [], store: ['@sallyport/core', '@sallyport/agent'], engine: ['@sallyport/core'], workflow: ['yaml'] }
  const cases: readonly [what: string, path: string, code: string, expected: RegExp][] = [
    ['an upward import', 'packages/store/src/a.ts', `import { x } from '@sallyport/agent'`, /arrows go down only/],
    ['an upward import of a type', 'packages/store/src/a.ts', `import type { X } from '@sallyport/agent'`, /arrows go down only/],
    ['an undeclared sibling', 'packages/engine/src/a.ts', `export * from '@sallyport/workflow'`, /not among the dependencies/],
    ['an undeclared npm package', 'packages/cli/src/a.ts', `import { Command } from 'commander'`, /not among the dependencies/],
    ['an npm package without a reason', 'packages/core/src/a.ts', `await import('left-pad')`, /no reason in/],
    [
      'a way into a package past its index',
      'packages/store/src/a.ts',
      `import { x } from '@sallyport/core/src/errors.ts'`,
      /only its index/,
    ],
    ['a relative way out of a package', 'packages/store/src/a.ts', `import { x } from '../../core/src/errors.ts'`, /leaves the package/],
    ['product code that imports a test helper', 'packages/store/src/a.ts', `import { x } from './_fake.ts'`, /belongs to the tests/],
    ['a module in a pure package', 'packages/engine/src/a.ts', `import { readFileSync } from 'node:fs'`, /engine is pure/],
    ['a subpath of a module in a pure package', 'packages/engine/src/a.ts', `import { x } from 'node:fs/promises'`, /engine is pure/],
    ['a process outside *.spawn.ts', 'packages/store/src/a.ts', `import { spawn } from 'node:child_process'`, /only \*\.spawn\.ts/],
    ['a required module', 'packages/store/src/a.ts', `const { spawn } = require('node:child_process')`, /only \*\.spawn\.ts/],
    ['a module without its prefix', 'packages/store/src/a.ts', `import { connect } from 'net'`, /write "node:net"/],
    ['a socket', 'packages/store/src/a.ts', `import net, { type Socket } from 'node:net'`, /packages\/gate/],
    ['the test runner in product code', 'packages/store/src/a.ts', `import test from 'node:test'`, /tests, and/],
    ['code from a URL', 'packages/store/src/a.ts', `await import('data:text/javascript,0')`, /is no package/],
    ['code whose name is computed', 'packages/store/src/a.ts', `await import(name)`, /only a literal/],
    ['the environment', 'packages/store/src/a.ts', `const x = process.env['HOME']`, /config\.ts/],
    ['the environment by destructuring', 'packages/store/src/a.ts', `const { env } = process`, /config\.ts/],
    ['the environment by index', 'packages/store/src/a.ts', `const x = process['env']`, /config\.ts/],
    ['an exit in the middle', 'packages/store/src/a.ts', `process.exit(1)`, /process\.exitCode/],
    ['a shell', 'packages/sandbox/src/a.spawn.ts', `spawn('ls', [], { shell: true })`, /argv arrays/],
    ['a named shell in a test', 'packages/sandbox/src/a.test.ts', `spawn('ls', [], { shell: '/bin/sh' })`, /argv arrays/],
    ['a pattern that is not a literal', 'packages/store/src/a.ts', `new RegExp(input)`, /a pattern from input/],
    ['a pattern with a hole', 'packages/store/src/a.ts', 'RegExp(`^${input}$`)', /a pattern from input/],
    ['eval, also in tests', 'packages/store/src/a.test.ts', `eval('1')`, /never becomes code/],
    ['the Function constructor', 'packages/store/src/a.ts', `new Function('return 1')`, /never becomes code/],
    ['the clock in a pure package', 'packages/engine/src/a.ts', `const now = new Date()`, /given the time/],
    ['chance in a pure package', 'packages/engine/src/a.ts', `const x = Math.random()`, /given chance/],
    ['a package without a row', 'packages/nobody/src/a.ts', ``, /has no row/],
  ]
  for (const [what, path, code, expected] of cases) {
    test(what, () => {
      const found = violationsIn(readFacts(path, code), declares)
      assert.ok(
        found.some((violation) => expected.test(violation)),
        `found only: ${JSON.stringify(found)}`,
      )
    })
  }

  test('a cycle of values, and not one of types', () => {
    const a = readFacts('packages/core/src/a.ts', `import { b } from './b.ts'`)
    const viaValue = readFacts('packages/core/src/b.ts', `export { a } from './a.ts'`)
    const viaType = readFacts('packages/core/src/b.ts', `import type { A } from './a.ts'`)
    assert.deepEqual(cyclesIn([a, viaValue]), [['packages/core/src/a.ts', 'packages/core/src/b.ts', 'packages/core/src/a.ts']])
    assert.deepEqual(cyclesIn([a, viaType]), [])
    const viaInlineType = readFacts('packages/core/src/b.ts', `import { type A } from './a.ts'`)
    assert.equal(cyclesIn([a, viaInlineType]).length, 1, 'an inline type still loads the module')
  })
})

describe('the checker allows', () => {
  const declares: Declared = { sandbox: ['@sallyport/core'], cli: ['commander'], workflow: [] }
  const cases: readonly [what: string, path: string, code: string][] = [
    ['a process in *.spawn.ts', 'packages/sandbox/src/a.spawn.ts', `import { spawn } from 'node:child_process'`],
    ['the type of a socket', 'packages/sandbox/src/a.ts', `import type { Socket } from 'node:net'`],
    ['the environment in config.ts', 'packages/cli/src/config.ts', `export const home = process.env['HOME']`],
    ['a parameter that is called process', 'packages/store/src/a.ts', `const f = (process: Step) => process.env`],
    ['a workflow that names a shell', 'packages/engine/src/a.ts', `const step = { shell: 'bash' }`],
    ['a declared package below', 'packages/sandbox/src/a.ts', `import { x } from '@sallyport/core'`],
    ['everything of Node in a test', 'packages/workflow/src/a.test.ts', `import { spawn } from 'node:child_process'`],
  ]
  for (const [what, path, code] of cases) {
    test(what, () => assert.deepEqual(violationsIn(readFacts(path, code), declares), []))
  }
})
