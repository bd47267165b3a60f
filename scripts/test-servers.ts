// SPDX-License-Identifier: Apache-2.0
// scripts/test-servers.ts [FILE]…: gets the real servers that tests talk to, and runs those tests (or some of their files) in a network namespace
// of its own, in which nothing leads anywhere. What cannot be had fails by name. The counts stand alone on the last line.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { messageOf } from '@sallyport/core'
import { restartAsRoot, rootPrefix } from './as-root.ts'
import { installCepheus } from './servers/cepheus.ts'
import { installLogOthers } from './servers/log-others.ts'
import { installMoto } from './servers/moto.ts'
import { installOpenBao } from './servers/openbao.ts'
import { postgresPrograms } from './servers/postgres.ts'
import { say } from './servers/python.ts'
import { installRegistry } from './servers/registry.ts'
import { installRunsc } from './servers/runsc.ts'

const servers: Readonly<Record<string, () => void>> = {
  OpenBao: installOpenBao,
  moto: installMoto,
  cepheus: installCepheus,
  registry: installRegistry,
  runsc: installRunsc,
  'witnesses and verifiers of logs': installLogOthers,
  PostgreSQL: () => {
    if (postgresPrograms() === null) throw new Error('the Debian package postgresql is not installed')
  },
}

/** Those that cannot be had: their tests fail, and say so, too. */
function install(): readonly string[] {
  return Object.entries(servers).flatMap(([name, get]) => {
    try {
      get()
      return []
    } catch (error) {
      say(`${name} cannot be had: ${messageOf(error)}`)
      return [name]
    }
  })
}

const files = process.argv.slice(2)
if (process.getuid?.() !== 0) {
  const prefix = rootPrefix()
  if (prefix !== undefined) restartAsRoot(prefix, import.meta.filename, files)
}
const missing = install()
const wanted = files.length === 0 ? ['servers'] : files
const loopback = 'ip link set lo up && exec "$@"'
const script = join(import.meta.dirname, 'test.ts')
const flags = ['--net', '--', '/bin/sh', '-c', loopback, 'sh', process.execPath, '--disable-warning=ExperimentalWarning', script, ...wanted]
const { status } = spawnSync('unshare', flags, { stdio: 'inherit' })
process.exitCode = status === 0 && missing.length === 0 ? 0 : 1
