// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { makeTemporaryDirectory, type Outcome, runCli } from '../../packages/cli/src/_harness.ts'
import { buildImage, digestOf, file, tar, writeLayout } from '../../packages/images/src/_image.ts'
import { startRegistry } from '../../packages/images/src/_registry.ts'

const built = buildImage({ layers: [tar([file('hello', 'world')])] })
const digest = digestOf(built.manifest)

interface Place {
  readonly state: string
  readonly reference: string
  run(...argv: readonly string[]): Promise<Outcome>
}

function place(t: TestContext): Place {
  const directory = makeTemporaryDirectory(t)
  const state = join(directory, 'state')
  return {
    state,
    reference: writeLayout(join(directory, 'layout'), built),
    run: (...argv) => runCli(['image', ...argv, '--state', state], { directory }),
  }
}

test('an image is pulled, listed, verified, and removed when nothing names it', async (t) => {
  const { reference, run } = place(t)
  const pulled = await run('pull', reference)
  assert.deepEqual([pulled.exitCode, pulled.stdout], [0, `${digest}\n`], pulled.stderr)
  assert.match(pulled.stderr, /reading the layers\n.*is here: 2 files and directories, 5 B\n$/s)
  const listed = await run('ls')
  assert.match(listed.stdout, new RegExp(`^reference +digest.*\n${reference} +${digest} +5 B +2 +2[0-9T:-]+ +not since\n$`))
  const { images } = JSON.parse((await run('ls', '--json')).stdout) as { images: { reference: string; root: string }[] }
  assert.equal(images[0]?.reference, reference)
  const verified = await run('verify')
  assert.deepEqual([verified.exitCode, verified.stdout], [0, `intact  ${digest}  ${reference}\n`])
  assert.equal((await run('verify', '--due', '36500d')).stdout, '')
  assert.match((await run('gc')).stdout, /^removed 0 images, 0 B; 1 kept\n$/)
  assert.match(
    (await run('gc', '--unused-for', '0s', '--dry-run')).stdout,
    /^would remove {2}sha256:.*\nwould remove 1 image, 5 B; 0 kept\n$/,
  )
  assert.match(
    (await run('gc', '--unused-for', '0s')).stdout,
    /^removed {2}sha256:[0-9a-f]{64} {2}5 B {2}oci:.*\nremoved 1 image, 5 B; 0 kept\n$/,
  )
  assert.deepEqual(JSON.parse((await run('ls', '--json')).stdout), { images: [] })
})

test('an image that has been changed is told with what differs, and exit code 3', async (t) => {
  const { reference, run, state } = place(t)
  await run('pull', reference)
  writeFileSync(join(state, 'images', 'images', digest.replace(':', '-'), 'rootfs', 'hello'), 'wor1d')
  const changed = await run('verify', reference, '--json')
  assert.equal(changed.exitCode, 3)
  const outcome = JSON.parse(changed.stdout) as { isIntact: boolean; differences: string[]; references: string[] }
  assert.deepEqual([outcome.isIntact, outcome.differences, outcome.references], [false, ['/hello: has other content'], [reference]])
  assert.match(changed.stderr, /^sallyport: \/hello: has other content\n$/)
  const again = await run('pull', reference)
  assert.deepEqual([again.exitCode, /error\[IMAGE_TAMPERED\]/.test(again.stderr)], [3, true])
  assert.match((await run('gc')).stdout, /^removed /)
  assert.equal((await run('pull', reference)).exitCode, 0)
})

test('what cannot be pulled ends with its code', async (t) => {
  const { run, reference } = place(t)
  for (const [argument, exitCode, code] of [
    ['alpine', 2, 'IMAGE_REFERENCE_INVALID'],
    [reference.replace('layout:', 'absent:'), 2, 'IMAGE_NOT_FOUND'],
    ['127.0.0.1:1/acme/app', 6, 'IMAGE_TRANSFER_FAILED'],
  ] as const) {
    const ran = await run('pull', argument, '--json')
    assert.deepEqual([ran.exitCode, JSON.parse(ran.stdout).error.code], [exitCode, code], ran.stderr)
  }
  assert.match((await run('pull', 'alpine')).stderr, /names no registry, and none is guessed\n.*docker\.io\/library\/alpine:latest/)
  const unknown = await run('verify', 'acme/app')
  assert.deepEqual([unknown.exitCode, /There is no image "acme\/app" here/.test(unknown.stderr)], [2, true])
  assert.match((await run('gc', '--unused-for', 'long')).stderr, /error\[USAGE\]: --unused-for: "long" is not an age/)
})

test('credentials come from a file that nobody else can read, and go nowhere but to the registry', async (t) => {
  await using registry = await startRegistry()
  registry.repositories.set('acme/app', { image: built, readers: ['alice:words-of-alice'] })
  const { run } = place(t)
  const login = join(makeTemporaryDirectory(t), 'login')
  writeFileSync(login, 'alice:words-of-alice\n', { mode: 0o600 })
  const pull = (...more: readonly string[]): Promise<Outcome> =>
    run('pull', `${registry.host}/acme/app`, '--dangerously-without-tls', registry.host, ...more)
  const denied = await pull()
  assert.deepEqual([denied.exitCode, /error\[IMAGE_ACCESS_DENIED\]/.test(denied.stderr)], [3, true])
  const pulled = await pull('--credentials', login, '--json')
  assert.equal(pulled.exitCode, 0, pulled.stderr)
  assert.equal((JSON.parse(pulled.stdout) as { digest: string }).digest, digest)
  assert.ok(!`${pulled.stdout}${pulled.stderr}${denied.stderr}`.includes('words-of'))
  chmodSync(login, 0o644)
  assert.match((await pull('--credentials', login)).stderr, /others can read it/)
  chmodSync(login, 0o600)
  writeFileSync(login, 'words-without-a-name')
  const none = await pull('--credentials', login)
  assert.match(none.stderr, /error\[FILE_INVALID\]/)
  assert.ok(!none.stderr.includes('words-without'))
})

test('a short name means what the operator says that it means', async (t) => {
  await using registry = await startRegistry()
  registry.repositories.set('mirror/library/alpine', { image: built, readers: null })
  const { run } = place(t)
  const pulled = await run(
    'pull',
    'library/alpine:3',
    '--default-registry',
    `${registry.host}/mirror`,
    '--dangerously-without-tls',
    registry.host,
  )
  assert.equal(pulled.exitCode, 0, pulled.stderr)
  assert.match((await run('ls')).stdout, new RegExp(`${registry.host}/mirror/library/alpine:3 `))
})

describe('with an operator’s file', () => {
  /** Absolute; nobody else may write to it. */
  function operatorFile(t: TestContext, yaml: string): string {
    const path = join(makeTemporaryDirectory(t), 'operator.yml')
    writeFileSync(path, `version: 1\n${yaml}`, { mode: 0o600 })
    return path
  }

  test('an image comes from what it allows, spoken to as it says, and by what it means with a short name', async (t) => {
    await using registry = await startRegistry()
    registry.repositories.set('team/tools', { image: built, readers: null })
    const config = operatorFile(
      t,
      `registries: { default: "${registry.host}/team", allow: ["${registry.host}/team"], dangerouslyWithoutTls: ["${registry.host}"] }\n`,
    )
    const { run } = place(t)
    for (const reference of [`${registry.host}/team/tools`, 'tools'])
      assert.deepEqual(await codeOf(run('pull', reference, '--config', config, '--json')), [0, null], reference)
    assert.deepEqual(
      await codeOf(run('pull', 'tools', '--config', config, '--dangerously-without-tls', registry.host, '--json')),
      [0, null],
      'it says no more than the operator',
    )
  })

  test('what it does not allow is refused as a job’s would be, and no registry is asked', async (t) => {
    await using registry = await startRegistry()
    registry.repositories.set('team-evil/tools', { image: built, readers: null })
    registry.repositories.set('labelled', { image: built, readers: null })
    const bare = `dangerouslyWithoutTls: ["${registry.host}"]`
    const allowsTeam = operatorFile(
      t,
      `registries: { allow: ["${registry.host}/team"], ${bare} }\nimages: { small: "${registry.host}/labelled" }\n`,
    )
    const allowsNone = operatorFile(t, `registries: { ${bare} }\n`)
    const { run, reference } = place(t)
    for (const [config, image] of [
      [allowsTeam, `${registry.host}/team-evil/tools`],
      [allowsTeam, `${registry.host}/labelled:other`],
      [allowsNone, `${registry.host}/labelled`],
    ] as const) {
      const ran = await run('pull', image, '--config', config, '--json')
      assert.deepEqual(await codeOf(Promise.resolve(ran)), [3, 'IMAGE_NOT_ALLOWED'], ran.stderr)
      assert.match(ran.stderr + ran.stdout, /the operator's file does not allow it/)
    }
    assert.deepEqual(registry.asked, [])
    assert.deepEqual(await codeOf(run('pull', `${registry.host}/labelled`, '--config', allowsTeam, '--json')), [0, null], 'its own label')
    assert.deepEqual(await codeOf(run('pull', reference, '--config', allowsNone, '--json')), [0, null], 'a place on this machine')
  })

  test('the command line makes no registry believed that the operator does not believe', async (t) => {
    await using registry = await startRegistry()
    registry.repositories.set('team/tools', { image: built, readers: null })
    const config = operatorFile(t, `registries: { allow: ["${registry.host}"] }\n`)
    const { run } = place(t)
    const authority = join(makeTemporaryDirectory(t), 'ca.pem')
    writeFileSync(authority, 'a certificate')
    for (const more of [
      ['--dangerously-without-tls', registry.host],
      ['--authority', `${registry.host}=${authority}`],
    ])
      assert.deepEqual(await codeOf(run('pull', `${registry.host}/team/tools`, '--config', config, ...more, '--json')), [
        3,
        'IMAGE_NOT_ALLOWED',
      ])
    assert.deepEqual(registry.asked, [])
  })

  test('one that others can write, or that says what nobody knows, is none', async (t) => {
    const { run, reference } = place(t)
    const open = operatorFile(t, 'registries: {}\n')
    chmodSync(open, 0o666)
    assert.deepEqual(await codeOf(run('pull', reference, '--config', open, '--json')), [2, 'OPERATOR_FILE_REFUSED'])
    const wrong = operatorFile(t, 'registries: { alow: [] }\n')
    assert.deepEqual(await codeOf(run('pull', reference, '--config', wrong, '--json')), [2, 'ACCESS_CEILING_INVALID'])
  })

  async function codeOf(ran: Promise<Outcome>): Promise<readonly [number, string | null]> {
    const { exitCode, stdout } = await ran
    const { error = null } = JSON.parse(stdout) as { error?: { code: string } | null }
    return [exitCode, error?.code ?? null]
  }
})

test('Ctrl-C ends a pull, and leaves nothing', async (t) => {
  await using registry = await startRegistry()
  let begin = (): void => undefined
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const delay = (): Promise<void> => {
    begin()
    return new Promise(() => undefined)
  }
  registry.repositories.set('acme/app', { image: built, readers: null, delay })
  const directory = makeTemporaryDirectory(t)
  const argv = ['image', 'pull', `${registry.host}/acme/app`, '--dangerously-without-tls', registry.host, '--state', directory]
  const ran = await runCli(argv, {
    context: ({ signals }) => void begun.then(() => (signals as unknown as { emit(name: string): void }).emit('SIGINT')),
  })
  assert.deepEqual([ran.exitCode, /error\[INTERRUPTED\]/.test(ran.stderr)], [130, true])
  assert.deepEqual(readdirSync(join(directory, 'images', 'staging')), [])
})
