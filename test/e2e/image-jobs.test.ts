// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { globSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { assertNothingLeft } from '../_host.ts'
import { type ImageSettings, serveImage, type TestImage, testImage } from '../_image.ts'
import { World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

const TIME_LIMIT_MS = 240_000
const image = (settings: ImageSettings = {}): TestImage => testImage(world.directory, settings)

const plain = image({ env: ['PATH=/usr/bin:/bin', 'FROM_IMAGE=yes', 'CI=no'] })

const job = (lines: string): string => `on: push\njobs:\n  one:\n    runs-on: small\n${lines.replace(/^/gm, '    ')}\n`

function operatorFile(text: string): string {
  const path = join(world.directory, `operator-${Math.random().toString(36).slice(2)}.yml`)
  writeFileSync(path, `version: 1\n${text}`, { mode: 0o600 })
  return path
}

describe('exec in an image', { timeout: TIME_LIMIT_MS }, () => {
  test('runs its programs, on a copy of the current directory, with its environment under ours', async () => {
    const { exitCode, stdout, stderr } = await world.run(
      ['exec', '--image', `oci:${plain.directory}`, '--', 'sh', '-c', 'cat /etc/os-release; echo $FROM_IMAGE $CI $PATH; pwd; id -u'],
      { cwd: plain.directory },
    )
    assert.equal(exitCode, 0, stderr)
    assert.match(stdout, /^ID=plain\nPRETTY_NAME=.*\nyes true \/usr\/bin:\/bin\n\/home\/runner\/work\/exec\n0\n$/)
    await assertNothingLeft(world)
  })

  test('says what is wrong with the image, and starts nothing', async () => {
    const foreign = image({ architecture: process.arch === 'arm64' ? 'amd64' : 'arm64' })
    for (const [reference, code] of [
      [`oci:${foreign.directory}`, 'IMAGE_REFUSED'],
      [`oci:${world.directory}/nowhere`, 'IMAGE_NOT_FOUND'],
      ['not a reference', 'IMAGE_REFERENCE_INVALID'],
    ] as const) {
      const { document } = await world.exec(['true'], ['--image', reference], { cwd: plain.directory })
      assert.equal(document.error?.code, code, `${reference}: ${document.error?.message}`)
      assert.equal(document.exitCode, 125)
    }
    await assertNothingLeft(world)
  })
})

test('an image that was changed in the store starts nothing', { timeout: TIME_LIMIT_MS }, async () => {
  const own = image({ env: ['A=for-this-test'] })
  const run = (): ReturnType<World['exec']> =>
    world.exec(['cat', '/etc/os-release'], ['--image', `oci:${own.directory}`], { cwd: plain.directory })
  assert.equal((await run()).document.exitCode, 0)
  const trees = globSync(`images/**/*${own.digest.slice('sha256:'.length)}*/**/etc/os-release`, { cwd: world.state })
  assert.ok(trees.length > 0, 'the tree is not where it was looked for')
  for (const path of trees) writeFileSync(join(world.state, path), 'ID=changed\n')
  const { document, stdout } = await run()
  assert.deepEqual([document.error?.code, document.error?.exitCode], ['IMAGE_TAMPERED', 3], stdout)
  await assertNothingLeft(world)
})

describe('a job', { timeout: TIME_LIMIT_MS }, () => {
  test('runs in the image that the command line names for its label', async () => {
    const repository = world.workflow(job('steps:\n  - run: . /etc/os-release; echo $ID $FROM_IMAGE $CI ${BASH_VERSION:+bash}'))
    const { document, events, output, why } = await world.runJson(repository, ['--image', `Small=oci:${plain.directory}`])
    assert.equal(document.conclusion, 'success', why)
    assert.equal(output('one', '1'), 'plain yes true bash\n')
    assert.ok(document.jobs[0]?.image?.endsWith(`@${plain.digest}`), String(document.jobs[0]?.image))
    const prepared = events.find(({ type }) => type === 'job.prepared')
    assert.deepEqual([prepared?.data['imageDigest'], prepared?.data['imageReference']], [plain.digest, `oci:${plain.directory}`])
  })

  test('runs in the image that the operator says its label is', async () => {
    const repository = world.workflow(job('steps:\n  - run: . /etc/os-release; echo $ID'))
    const { document, output, why } = await world.runJson(repository, [
      '--config',
      operatorFile(`images: { small: "oci:${plain.directory}" }`),
    ])
    assert.equal(document.conclusion, 'success', why)
    assert.equal(output('one', '1'), 'plain\n')
  })

  test('runs with sh where its image has no bash, and says what is missing where it has neither', async () => {
    const withSh = image({ plant: (root) => rmSync(join(root, 'usr/bin/bash')) })
    const repository = world.workflow(job('steps:\n  - run: echo ${BASH_VERSION:-no bash}'))
    const first = await world.runJson(repository, ['--image', `small=oci:${withSh.directory}`])
    assert.equal(first.output('one', '1'), 'no bash\n', first.why)
    const withNeither = image({
      plant: (root) => {
        rmSync(join(root, 'usr/bin/bash'))
        rmSync(join(root, 'usr/bin/sh'))
      },
    })
    const second = await world.runJson(repository, ['--image', `small=oci:${withNeither.directory}`])
    assert.equal(second.document.conclusion, 'failure')
    assert.match(second.why, /neither bash nor sh/)
  })

  test('runs JavaScript actions where the image has the GNU C library, and says so where it has not', async () => {
    const files = { 'act/action.yml': 'name: a\nruns: { using: node24, main: main.js }\n', 'act/main.js': 'console.log("from node")\n' }
    const repository = world.workflow(job('steps:\n  - uses: actions/checkout@v4\n  - uses: ./act'), files)
    const { document, why } = await world.runJson(repository, ['--image', `small=oci:${plain.directory}`])
    // The plain image has no C++ library: Node could not start there.
    assert.equal(document.conclusion, 'failure')
    assert.match(why, /image has no [^\n]*libstdc\+\+\.so\.6/)
  })

  test('never runs in a place of this machine that its workflow names', async () => {
    for (const reference of [`oci:${plain.directory}`, 'docker-archive:/etc/passwd', 'dir:/', '/etc']) {
      const { document, why } = await world.runJson(world.workflow(job(`container: "${reference}"\nsteps:\n  - run: echo started`)))
      assert.equal(document.error?.code, 'IMAGE_NOT_ALLOWED', why)
      assert.equal(document.exitCode, 3)
      assert.ok(!why.includes('started'))
    }
  })
})

describe('container', { timeout: TIME_LIMIT_MS }, () => {
  test('brings a private image with credentials from secrets, once a rule lets it reach the registry', async () => {
    await using registry = await serveImage(plain, 'robot:s3cret-password')
    const yaml = job(
      `container:\n  image: ${registry.host}/team/tools\n  env: { FROM_CONTAINER: yes }\n` +
        '  credentials: { username: robot, password: "${{ secrets.REGISTRY }}" }\n' +
        'steps:\n  - run: . /etc/os-release; echo $ID $FROM_CONTAINER',
    )
    const repository = world.workflow(yaml)
    const config = operatorFile(`registries: { allow: ["${registry.host}/team"], dangerouslyWithoutTls: ["${registry.host}"] }`)
    const secret = { env: { REGISTRY: 's3cret-password' } }

    const closed = await world.runJson(repository, ['--config', config, '--secret', 'REGISTRY'], secret)
    assert.equal(closed.document.error?.code, 'IMAGE_NOT_ALLOWED', closed.why)
    assert.deepEqual(registry.asked, [])

    const options = ['--config', config, '--allow', registry.host]
    const denied = await world.runJson(repository, [...options, '--secret', 'REGISTRY'], { env: { REGISTRY: 'wrong-password' } })
    assert.equal(denied.document.error?.code, 'IMAGE_ACCESS_DENIED', denied.why)

    const { document, events, output, why, stdout, stderr } = await world.runJson(repository, [...options, '--secret', 'REGISTRY'], secret)
    assert.equal(document.conclusion, 'success', why)
    assert.equal(output('one', '1'), 'plain yes\n')
    assert.equal(document.jobs[0]?.image, `${registry.host}/team/tools@${plain.digest}`)
    assert.deepEqual(events.find(({ type }) => type === 'job.preparing')?.data['credentials'], ['REGISTRY'])
    assert.ok(!`${stdout}${stderr}`.includes('s3cret-password'))
  })

  test('stays within the registries that the operator allows', async () => {
    await using registry = await serveImage(plain, null)
    const repository = world.workflow(job(`container: ${registry.host}/team/tools\nsteps:\n  - run: echo started`))
    const config = operatorFile(`registries: { allow: [registry.example.test/team], dangerouslyWithoutTls: ["${registry.host}"] }`)
    const { document, why } = await world.runJson(repository, ['--config', config, '--allow', registry.host])
    assert.equal(document.error?.code, 'IMAGE_NOT_ALLOWED', why)
    assert.deepEqual(registry.asked, [])
  })

  test('with options, ports, volumes or services is refused by name', async () => {
    for (const [key, text] of [
      ['options', 'container: { image: a, options: --privileged }'],
      ['ports', 'container: { image: a, ports: [80] }'],
      ['volumes', 'container: { image: a, volumes: ["/:/host"] }'],
      ['services', 'services: { db: { image: a } }'],
    ] as const) {
      const { exitCode, stderr } = await world.run(['run'], { cwd: world.workflow(job(`${text}\nsteps:\n  - run: echo x`)) })
      assert.equal(exitCode, 2, stderr)
      assert.match(stderr, new RegExp(`\\(${key === 'services' ? key : `container\\.${key}`}\\)`))
    }
  })
})

test('a hostile image is a job like any other', { timeout: TIME_LIMIT_MS }, async () => {
  const hostile = image({
    plant: (root) => {
      symlinkSync('/proc/self', join(root, 'home'))
      symlinkSync('/', join(root, 'tmp'))
      symlinkSync('/dev/null', join(root, 'etc/resolv.conf'))
      writeFileSync(join(root, 'etc/shadow'), 'root:*:1::::::\n')
    },
  })
  const { exitCode, stdout, stderr } = await world.run(
    ['exec', '--image', `oci:${hostile.directory}`, '--', 'sh', '-c', 'test ! -L /home && test ! -L /tmp && cat /etc/resolv.conf'],
    { cwd: plain.directory },
  )
  assert.equal(exitCode, 0, stderr)
  assert.match(stdout, /^nameserver /)
  await assertNothingLeft(world)
})
