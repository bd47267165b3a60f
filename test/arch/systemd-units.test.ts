// SPDX-License-Identifier: Apache-2.0
// Every unit in examples/systemd is confined as far as what it runs allows, and systemd itself takes it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'

const DIRECTORY = join(import.meta.dirname, '../../examples/systemd')
const PROGRAM = '/opt/sallyport/sallyport'
const ANALYZE = ['/usr/bin/systemd-analyze', '/bin/systemd-analyze'].find((path) => existsSync(path))

/** systemd.exec(5) says what each does. A value of null: whatever it is, it has to be said. */
const REQUIRED: Readonly<Record<string, string | null>> = {
  UMask: '0077',
  ProtectSystem: 'strict',
  ProtectHome: null,
  PrivateTmp: 'yes',
  PrivateDevices: null,
  NoNewPrivileges: 'yes',
  CapabilityBoundingSet: null,
  RestrictAddressFamilies: 'AF_INET AF_INET6 AF_UNIX',
  RestrictNamespaces: 'yes',
  RestrictSUIDSGID: 'yes',
  RestrictRealtime: 'yes',
  LockPersonality: 'yes',
  ProtectClock: 'yes',
  ProtectHostname: 'yes',
  ProtectKernelLogs: 'yes',
  ProtectKernelModules: 'yes',
  ProtectKernelTunables: 'yes',
  ProtectControlGroups: 'yes',
  ProtectProc: null,
  SystemCallArchitectures: 'native',
  SystemCallFilter: '@system-service',
  MemoryMax: null,
  TasksMax: null,
}

/** What may say less than the others, and which line of it. */
const LESS: Readonly<Record<string, readonly string[]>> = {
  // Looks at every user's files and processes' limits, and at device nodes.
  'sallyport-doctor-host.service': ['ProtectHome', 'PrivateDevices', 'ProtectProc', 'CapabilityBoundingSet'],
}
const STRICTEST: Readonly<Record<string, string>> = {
  ProtectHome: 'yes',
  PrivateDevices: 'yes',
  ProtectProc: 'invisible',
  CapabilityBoundingSet: '',
}

/** `Key=value` of one section; systemd.syntax(7). */
function sectionOf(text: string, section: string): ReadonlyMap<string, string> {
  const lines = text.split('\n')
  const from = lines.indexOf(`[${section}]`)
  assert.notEqual(from, -1, section)
  const end = lines.findIndex((line, index) => index > from && line.startsWith('['))
  const pairs = lines.slice(from + 1, end === -1 ? undefined : end).filter((line) => line.includes('='))
  return new Map(pairs.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}

interface Answer {
  readonly status: number | null
  readonly stdout: string
}

const units = readdirSync(DIRECTORY).sort()
const services = units.filter((name) => name.endsWith('.service'))

describe('a unit', () => {
  test('is there for everything that runs long, or again and again', () => {
    const commands = services.map((name) => sectionOf(readFileSync(join(DIRECTORY, name), 'utf8'), 'Service').get('ExecStart') ?? '')
    for (const command of [
      'audit publish',
      'audit serve',
      'audit export',
      'audit witness',
      'identity serve',
      'identity rotate',
      'doctor --host',
    ])
      assert.equal(commands.filter((text) => text.startsWith(`${PROGRAM} ${command} `)).length, 1, command)
  })

  for (const name of services) {
    test(`${name} says every restriction`, () => {
      const service = sectionOf(readFileSync(join(DIRECTORY, name), 'utf8'), 'Service')
      for (const [key, value] of Object.entries(REQUIRED)) {
        assert.equal(service.has(key), true, key)
        if (value !== null) assert.equal(service.get(key), value, key)
        const strictest = STRICTEST[key]
        if (strictest !== undefined && LESS[name]?.includes(key) !== true) assert.equal(service.get(key), strictest, key)
      }
      for (const path of (service.get('ReadWritePaths') ?? '').split(' '))
        assert.match(path, /^(-?\/(var\/lib|run)\/sallyport(\/[a-z]+)?)?$/)
    })
  }

  for (const name of units.filter((unit) => unit.endsWith('.timer'))) {
    test(`${name} starts a service that is there`, () => assert.equal(units.includes(name.replace(/timer$/, 'service')), true))
  }

  test('is taken by systemd, which finds little left to restrict', (t) => {
    if (ANALYZE === undefined) return t.skip('systemd-analyze is not installed: the lists above are all that is checked')
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-units-'))
    try {
      cpSync(DIRECTORY, directory, { recursive: true })
      // It looks for the program, which is installed elsewhere on this machine.
      for (const name of services) {
        const text = readFileSync(join(directory, name), 'utf8')
        writeFileSync(join(directory, name), text.replaceAll(PROGRAM, '/bin/true'))
      }
      const paths = units.map((name) => join(directory, name))
      const verified = spawnSync(ANALYZE, ['verify', ...paths], { encoding: 'utf8' })
      assert.deepEqual([verified.status, verified.stderr], [0, ''])
      for (const path of paths.filter((each) => each.endsWith('.service'))) {
        // In tenths: 10.0 is a service without any restriction.
        const judged: Answer = spawnSync(ANALYZE, ['security', '--offline=true', '--threshold=35', path], { encoding: 'utf8' })
        assert.equal(judged.status, 0, judged.stdout.split('\n').at(-2) ?? '')
      }
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
