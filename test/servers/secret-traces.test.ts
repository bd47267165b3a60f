// SPDX-License-Identifier: Apache-2.0
// Nothing of a secret comes onto a disk: all that Sallyport writes lies on a loop device of its own, which is searched raw.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { assertNothingLeft, commandLine, kill, sandboxPids } from '../_host.ts'
import { Internet } from '../_internet/internet.ts'
import { type JsonRun, type Running, until, World } from '../_world.ts'
import { RawDisk, tracesOf } from './_raw-disk.ts'

const GIVEN = ['GIVEN_ENV', 'GIVEN_FILE', 'GIVEN_FD', 'GIVEN_PLACEHOLDER'] as const
const STORED = ['STORED_ENV', 'STORED_FILE', 'STORED_FD', 'STORED_PLACEHOLDER'] as const
const NAMES = [...GIVEN, ...STORED]

const given: Readonly<Record<string, string>> = Object.fromEntries(
  GIVEN.map((name) => [name, `${name.toLowerCase()}_${randomBytes(20).toString('base64url')}`]),
)
const OPTIONS = GIVEN.flatMap((name) => ['--secret', name])

const delivery = (name: string): string => name.replace(/^[A-Z]+_/, '').toLowerCase()
const declaration = (name: string): string => {
  const place = name.startsWith('STORED') ? `from: store, path: ${name}` : ''
  const hosts = delivery(name) === 'placeholder' ? 'hosts: [web.test]' : ''
  return `  ${name}: { ${[place, hosts].filter(Boolean).join(', ')} }`
}
const ACCESS = `version: 1
egress: [{ host: web.test, port: 443, methods: [GET] }]
jobs:
  build:
    steps:
      use:
        secrets:
${NAMES.map((name) => `          ${name}: { deliver: ${delivery(name)} }`).join('\n')}
secrets:
${NAMES.map(declaration).join('\n')}
`

/** It has them in its environment and in its script, reads them, sends them, prints them, and has them in outputs and summaries. */
const workflow = (end: string): string => `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - id: use
        env: { ${NAMES.map((name) => `${name}: '\${{ secrets.${name} }}'`).join(', ')} }
        run: |
          for name in GIVEN STORED; do
            text=\${name}_ENV file=\${name}_FILE fd=\${name}_FD placeholder=\${name}_PLACEHOLDER
            test "\${#text}" -gt 4 && test -s "\${!file}" && test -s "\${!fd}"
            echo "\${!text} $(cat "\${!file}") $(cat "\${!fd}") \${!placeholder}"
            cat "\${!file}" | base64 -w 0
            curl -sSf -H "Authorization: Bearer \${!placeholder}" https://web.test/echo
            echo "$name=\${!text}" >> "$GITHUB_OUTPUT"
            cat "\${!file}" >> "$GITHUB_STEP_SUMMARY"
          done
          test -n "\${{ secrets.GIVEN_ENV }}" && test -n "\${{ secrets.STORED_ENV }}"
          echo used
          ${end}
`

describe('secrets leave no trace', () => {
  const disk = new RawDisk()
  const world = new World(disk.mountPoint)
  const stored: Record<string, string> = {}
  let internet: Internet

  before(async () => {
    internet = await Internet.start()
    assert.equal((await world.run(['secrets', 'init'])).exitCode, 0)
    for (const name of STORED) {
      const made = await world.run(['secrets', 'set', name, '--generate', '40'])
      assert.equal(made.exitCode, 0, made.stderr)
      stored[name] = (await world.run(['secrets', 'get', name, '--reveal'])).stdout.trim()
      assert.equal(stored[name]?.length, 40)
    }
  })
  after(async () => {
    await internet[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
    disk[Symbol.dispose]()
  })

  const forms = (): Map<string, Buffer> =>
    new Map(Object.entries({ ...given, ...stored }).flatMap(([name, value]) => [...tracesOf(name, value)]))
  const searched = (): readonly string[] => {
    disk.unmount()
    try {
      return disk.find(forms())
    } finally {
      disk.mount()
    }
  }
  const settings = (): { wrap: readonly string[]; env: Readonly<Record<string, string>> } => ({ wrap: internet.wrap, env: given })
  const options = (): readonly string[] => ['--config', internet.operatorFile(), ...OPTIONS]

  /** A run whose step has all of them, and waits. */
  const startHeld = async (): Promise<Running> => {
    const repository = world.workflow(workflow('sleep 1000'), { 'sallyport.yml': ACCESS })
    const running = world.start(['run', '--json', '--state', world.state, ...options()], { cwd: repository, ...settings() })
    let ended: string | null = null
    void running.result.then(({ stdout, stderr }) => {
      ended = stdout.slice(-3000) + stderr
    })
    await until('the step has all of its secrets', () => {
      assert.equal(ended, null)
      return sandboxPids(world).some((pid) => commandLine(pid) === 'sleep 1000')
    })
    return running
  }

  test('of a run that ends', async () => {
    const repository = world.workflow(workflow(''), { 'sallyport.yml': ACCESS })
    const ran: JsonRun = await world.runJson(repository, options(), settings())
    assert.equal(ran.exitCode, 0, ran.why)
    assert.match(ran.output('build', '1'), /^used$/m)
    const arrived = (await internet.arrivals()).map(({ authorization }) => authorization)
    for (const name of ['GIVEN_PLACEHOLDER', 'STORED_PLACEHOLDER'])
      assert.ok(arrived.includes(`Bearer ${given[name] ?? stored[name]}`), `${name} did not arrive`)
  })

  test('in the command lines and environments of Sallyport’s own processes, which are then ended in the way that leaves cores', async () => {
    const running = await startHeld()
    const inside = new Set(sandboxPids(world))
    const own = world.marker.pids().filter((pid) => !inside.has(pid))
    assert.ok(own.length >= 4, own.map(commandLine).join('\n'))
    for (const pid of own) {
      const files = pid === running.pid ? ['cmdline'] : ['cmdline', 'environ'] // The supervisor's own environment is where the user put them.
      for (const file of files) {
        const bytes = readFileSync(`/proc/${pid}/${file}`)
        const found = [...forms()].filter(([, form]) => bytes.includes(form)).map(([name]) => name)
        assert.deepEqual(found, [], `${file} of ${commandLine(pid)}`)
      }
    }
    // All of them: nobody is left to clean up, which the next run does.
    for (const pid of own) kill(pid, 'SIGABRT')
    await running.result
    assert.equal((await world.exec(['true'])).exitCode, 0)
    await assertNothingLeft(world)
  })

  test('of a run that is killed', async () => {
    const running = await startHeld()
    running.child.kill('SIGKILL')
    await running.result
    await assertNothingLeft(world)
    assert.equal((await world.exec(['true'])).exitCode, 0)
  })

  test('on the disk on which all of these were', () => assert.deepEqual(searched(), []))

  test('and a trace would be found, in every form, though its file is deleted', () => {
    const directory = join(disk.mountPoint, 'control')
    mkdirSync(directory)
    const all = [...forms()]
    writeFileSync(join(directory, 'file'), Buffer.concat(all.flatMap(([, form]) => [Buffer.from('<'), form, Buffer.from('>')])), {
      flush: true,
    })
    rmSync(directory, { recursive: true })
    assert.deepEqual(searched(), all.map(([name]) => name).sort())
  })
})
