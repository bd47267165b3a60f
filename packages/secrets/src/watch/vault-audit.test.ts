// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ManagerEntry } from './manager-log.ts'
import { VaultAuditReader } from './vault-audit.ts'

const BEGAN = Date.parse('2026-11-22T20:00:00Z')

interface Shown {
  readonly type?: string
  readonly id?: string
  readonly path?: string
  readonly operation?: string
  readonly afterMs?: number
  readonly error?: string
  readonly namespace?: string
}

/** As a real OpenBao writes them: test/servers/openbao.test.ts reads its own. */
function line({ type = 'response', id = 'r1', path = 'kv/data/ci/token', operation = 'read', afterMs = 0, ...more }: Shown): string {
  const { error, namespace } = more
  return `${JSON.stringify({
    time: new Date(BEGAN + afterMs).toISOString().replace('Z', '123456Z'),
    type,
    auth: { accessor: 'hmac-sha256:aa', display_name: 'token-x', entity_id: 'e-1' },
    request: { id, operation, path, remote_address: '10.0.0.1', ...(namespace !== undefined && { namespace: { path: namespace } }) },
    ...(error !== undefined && { error }),
  })}\n`
}

const pair = (shown: Shown): string => line({ ...shown, type: 'request' }) + line(shown)

function makeReader(namespace: string | null = null): VaultAuditReader {
  const mounts = [
    { path: 'kv', engine: 'kv', version: 2 },
    { path: 'old', engine: 'kv', version: 1 },
    { path: 'database', engine: 'database', version: 2 },
    { path: 'pki', engine: 'pki', version: 2 },
    { path: 'any', engine: 'generic', version: 2 },
  ] as const
  return new VaultAuditReader({ mounts, namespace })
}

function read(text: string, namespace: string | null = null): readonly ManagerEntry[] {
  return [...makeReader(namespace).read(Buffer.from(text))]
}

const pathsOf = (entries: readonly ManagerEntry[]): readonly string[] =>
  entries.flatMap((entry) => (entry.kind === 'read' ? entry.read.paths : []))
const kindsOf = (entries: Iterable<ManagerEntry>): readonly string[] => [...entries].map(({ kind }) => kind)

describe('an audit device of Vault', () => {
  test('shows what hands out secrets, as addresses name it', () => {
    const asked: readonly Shown[] = [
      { id: 'a', path: 'kv/data/ci/token' },
      { id: 'b', path: 'kv/metadata/ci/token' },
      { id: 'c', path: 'kv/data/ci/token', operation: 'update' },
      { id: 'd', path: 'old/ci/token' },
      { id: 'e', path: 'database/creds/ci' },
      { id: 'f', path: 'database/roles/ci' },
      { id: 'g', path: 'pki/issue/ci', operation: 'update' },
      { id: 'h', path: 'any/thing', operation: 'update' },
      { id: 'i', path: 'other/ci/token' },
      { id: 'j', path: 'kv/data/ci/refused', error: '1 error occurred: permission denied' },
    ]
    assert.deepEqual(pathsOf(read(asked.map(pair).join(''))), [
      'kv/ci/token',
      'old/ci/token',
      'database/creds/ci',
      'pki/issue/ci',
      'any/thing',
    ])
    const [, first] = read(pair({}))
    assert.deepEqual(first?.kind === 'read' && first.read, {
      atMs: BEGAN,
      id: 'r1',
      operation: 'read',
      paths: ['kv/ci/token'],
      mark: 'hmac-sha256:aa',
      who: 'e-1',
      name: 'token-x',
      from: '10.0.0.1',
      isLogin: false,
    })
  })

  test('of one namespace is not that of another', () => {
    assert.deepEqual(pathsOf(read(pair({ namespace: 'team-a/' }), 'team-a')), ['kv/ci/token'])
    assert.deepEqual(pathsOf(read(pair({ namespace: 'team-a/' }))), [])
    assert.deepEqual(pathsOf(read(pair({}), 'team-a')), [])
  })

  test('says what it does not understand, and goes on', () => {
    const [log, good] = ['no JSON\n{}\n', pair({})]
    assert.deepEqual(kindsOf(read(log + good)), ['unreadable', 'unreadable', 'other', 'read'])
    assert.deepEqual(kindsOf(read(`${JSON.stringify({ type: 'response', time: 'never', request: {} })}\n`)), ['unreadable'])
  })

  test('without the request of an answer has a gap, but not where it begins', () => {
    const early = line({ id: 'earlier', afterMs: 1000 })
    const late = line({ id: 'gone', afterMs: 100_000 })
    assert.deepEqual(kindsOf(read(pair({}) + early + late)), ['other', 'read', 'read', 'gap', 'read'])
  })

  test('that somebody turns off says so', () => {
    assert.deepEqual(kindsOf(read(pair({ path: 'sys/audit/main', operation: 'delete' }))), ['other', 'gap', 'other'])
    assert.deepEqual(kindsOf(read(pair({ path: 'sys/audit/main', operation: 'read' }))), ['other', 'other'])
  })

  test('is read on from one file to the next, at any cut of the bytes', () => {
    const reader = makeReader()
    const bytes = Buffer.from(pair({ id: 'a' }) + line({ id: 'b', type: 'request' }))
    const entries: ManagerEntry[] = []
    for (const byte of bytes) entries.push(...reader.read(Uint8Array.of(byte)))
    entries.push(...reader.endFile(false), ...reader.read(Buffer.from(line({ id: 'b', afterMs: 100_000 }))))
    assert.deepEqual(kindsOf(entries), ['other', 'read', 'other', 'read'])
    const torn = line({ id: 'c' }).slice(0, -5)
    assert.deepEqual([kindsOf(reader.read(Buffer.from(torn))), kindsOf(reader.endFile(false))], [[], ['unreadable']])
    assert.deepEqual([kindsOf(reader.read(Buffer.from(torn))), kindsOf(reader.endFile(true))], [[], []])
  })

  test('with a line that never ends is not kept in memory, and the next file is read', () => {
    const reader = makeReader()
    assert.deepEqual(kindsOf(reader.read(Buffer.alloc(5 << 20, 'x'))), ['unreadable'])
    assert.deepEqual(kindsOf(reader.read(Buffer.from(pair({})))), [])
    reader.endFile(false).next()
    assert.deepEqual(kindsOf(reader.read(Buffer.from(pair({})))), ['other', 'read'])
  })
})
