// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from './config.ts'
import { VERSION } from './version.ts'

const MAIN = join(import.meta.dirname, 'main.ts')

test('--version prints the version of the package', () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'))
  assert.equal(VERSION, version)
  assert.equal(execFileSync(process.execPath, [MAIN, '--version'], { encoding: 'utf8' }), `${version}\n`)
})

test('the state directory follows the user and the environment', () => {
  assert.equal(readConfig({ XDG_STATE_HOME: '/x' }, true).stateDirectory, '/var/lib/sallyport')
  assert.equal(readConfig({ XDG_STATE_HOME: '/x' }, false).stateDirectory, '/x/sallyport')
  assert.match(readConfig({ XDG_STATE_HOME: 'relative' }, false).stateDirectory, /^\/.*\/\.local\/state\/sallyport$/)
})

test('NO_COLOR and a dumb terminal turn colours off', () => {
  assert.equal(readConfig({}, false).allowsColor, true)
  assert.equal(readConfig({ NO_COLOR: '' }, false).allowsColor, true, 'empty means not set')
  assert.equal(readConfig({ NO_COLOR: '1' }, false).allowsColor, false)
  assert.equal(readConfig({ TERM: 'dumb' }, false).allowsRepaint, false)
})

for (const [command, exitCode] of [
  ['expr', 6],
  ['exec', 125],
] as const) {
  test(`a fault that ${command} did not foresee ends with ${exitCode}, not with the code of a failed job`, () => {
    const fault = 'data:text/javascript,setTimeout(() => Promise.reject(new Error("unforeseen")), 1500)'
    const waiting = 'data:text/javascript,setTimeout(() => {}, 30000)'
    const { status, stderr } = spawnSync(process.execPath, ['--import', fault, '--import', waiting, MAIN, command, '--help'], {
      encoding: 'utf8',
    })
    assert.equal(status, exitCode)
    assert.match(stderr, /sallyport: error\[INTERNAL\]: Error: unforeseen/)
  })
}
