// SPDX-License-Identifier: Apache-2.0
// docs/secrets-openbao.md, walked from its first command to its last key.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { it } from 'node:test'
import { openProvider, type SecretAddress, type SettingsTree } from '@sallyport/secrets'
import { parse } from 'yaml'
import { openBaoProgram } from '../../scripts/servers/openbao.ts'
import { OpenBao } from './_openbao.ts'
import { Postgres } from './_postgres.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/secrets-openbao.md'), 'utf8')
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, block = '']) => block)
const at = (path: string, field: string): SecretAddress => ({ path, field, version: null, parameters: {} })

it('the page leads from an empty server to an account that ends with its job', { timeout: 120_000 }, async () => {
  await using bao = await OpenBao.start({ mode: 'dev' })
  await using postgres = await Postgres.start()
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-docs-'))
  const { user, password } = postgres.administrator
  const env = {
    PATH: `${dirname(openBaoProgram() ?? '')}:${process.env['PATH']}`,
    HOME: directory,
    BAO_ADDR: bao.address,
    BAO_TOKEN: bao.rootToken,
    DATABASE: `127.0.0.1:${postgres.port}`,
    DATABASE_USER: user,
    DATABASE_PASSWORD: password,
  }
  const commands = blocks('sh')
  assert.equal(commands.length, 4)
  for (const block of commands) execFileSync('bash', ['-euc', block], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const file = (name: string): string => readFileSync(join(directory, name), 'utf8').trim()
  const [yaml = ''] = blocks('yaml')
  const written = yaml.replace('${BAO_ADDR}', bao.address).replace('${ROLE_ID}', file('role-id'))
  const { providers } = parse(written, { schema: 'failsafe' }) as {
    providers: { openbao: { kind: string } & Record<string, SettingsTree[string]> }
  }
  const { openbao } = providers
  const { kind, ...settings } = openbao
  assert.equal(kind, 'vault')
  const ports = { nowMs: Date.now, readFile: async (path: string) => readFileSync(join(directory, path)) }
  await using provider = await openProvider({ name: 'openbao', kind, settings }, ports)
  const signal = AbortSignal.timeout(60_000)
  const identity = { run: 'r', job: 'build', repository: null, ref: null, token: null }
  const session = await provider.openSession({ identity, ttlMs: 300_000, note: async () => undefined }, signal)
  const text = async (address: SecretAddress): Promise<Record<string, string>> =>
    Object.fromEntries(
      [...(await session.read(address, signal)).fields].map(([name, bytes]) => [name, Buffer.from(bytes).toString('utf8')]),
    )
  assert.deepEqual(await text(at('kv/ci/packages', 'token')), { token: 'a-long-lived-token' })
  const made = await text(at('database/creds/ci', 'password'))
  const account = { user: made['username'] ?? '', password: made['password'] ?? '' }
  assert.equal(postgres.letsIn(account), true)
  await session.end(signal)
  assert.equal(postgres.letsIn(account), false)
  rmSync(directory, { recursive: true })
})
