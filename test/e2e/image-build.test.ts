// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type Result, World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

const BUILD_LIMIT_MS = 8 * 60e3
/** What apt says of a mirror that is not to be reached. */
const UNREACHABLE = /Could not (resolve|connect)|Temporary failure|Unable to connect|Connection (timed out|refused)|Failed to fetch/

// `sallyport image` has commands of its own, and no state directory.
const build = (output: string, options: readonly string[] = []): Promise<Result> =>
  world.start(['image', 'build-minimal', '-o', `oci:${output}`, ...options], { timeLimitMs: BUILD_LIMIT_MS }).result

describe('image build-minimal', { timeout: 9 * 60e3 }, () => {
  test('makes the same image of the same packages, and jobs run in it', async (context) => {
    const places = ['one', 'two'].map((name) => join(world.directory, name))
    // Beside each other: times, process ids and temporary names differ.
    const results = await Promise.all(places.map((place) => build(place, ['--packages', 'make'])))
    const unreachable = results.find(({ exitCode, stderr }) => exitCode !== 0 && UNREACHABLE.test(stderr))
    if (unreachable !== undefined) return context.skip(`the package mirror cannot be reached: ${unreachable.stderr.slice(-300)}`)
    const digests = results.map(({ exitCode, stdout, stderr }) => {
      assert.equal(exitCode, 0, stderr)
      return stdout.trim().split('\n').at(-1)
    })
    assert.match(digests[0] ?? '', /^sha256:[0-9a-f]{64}$/)
    assert.equal(digests[0], digests[1])
    assert.deepEqual(
      readdirSync(world.directory).filter((name) => name.includes('.partial-')),
      [],
    )

    const cwd = join(world.directory, 'empty')
    mkdirSync(cwd)
    const script =
      '. /etc/os-release; echo $ID; make --version | head -n 1; test -e /etc/machine-id && wc -c < /etc/machine-id; ls /var/log'
    const { exitCode, stdout, stderr } = await world.run(['exec', '--image', `oci:${places[0]}`, '--', 'bash', '-c', script], {
      cwd,
      timeLimitMs: BUILD_LIMIT_MS,
    })
    assert.equal(exitCode, 0, stderr)
    assert.match(stdout, /^debian\nGNU Make /)
  })

  test('says what is wrong, and leaves nothing', async () => {
    const place = join(world.directory, 'wrong')
    for (const [options, code] of [
      [['--packages', 'not a package'], 'IMAGE_BUILD_FAILED'],
      [['--packages=--include=x'], 'IMAGE_BUILD_FAILED'],
      [['--sources', '/nowhere/sources.list'], 'IMAGE_BUILD_FAILED'],
    ] as const) {
      const { exitCode, stderr } = await build(place, options)
      assert.equal(exitCode, 1, stderr)
      assert.match(stderr, new RegExp(code))
    }
    mkdirSync(place)
    const { exitCode, stderr } = await build(place)
    assert.equal(exitCode, 1)
    assert.match(stderr, /it exists/)
    const elsewhere = await world.start(['image', 'build-minimal', '-o', 'docker://registry.example.test/a']).result
    assert.equal(elsewhere.exitCode, 2, elsewhere.stderr)
    assert.ok(!existsSync(join(world.directory, 'docker:')))
  })
})
