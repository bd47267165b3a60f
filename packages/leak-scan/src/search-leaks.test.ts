// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Leak, Unsearched } from './contract.ts'
import { KnownValues } from './known-values.ts'
import { LeakSearch } from './search-leaks.ts'

const VALUE = 'correct horse battery staple'
const letters = 'Zx9kQ2mB7vLp4TqW8nRcYh3sDf6gJa1e5uXo'
const b64 = (text: string): string => Buffer.from(text).toString('base64url')

/** One of each shape, put together here so that this file holds none. */
const SHAPES: Readonly<Record<string, string>> = {
  'private-key': ['-----BEGIN', 'OPENSSH', 'PRIVATE', 'KEY-----'].join(' '),
  'age-secret-key': `AGE-SECRET-KEY-1${letters.toUpperCase()}${letters.toUpperCase().slice(0, 22)}`,
  'aws-access-key-id': `AK${'IA'}ABCDEFGH234567QR`,
  'github-token': `gh${'p_'}${letters}`,
  'gitlab-token': `gl${'pat-'}${letters.slice(0, 20)}`,
  'npm-token': `npm${'_'}${letters}`,
  'pypi-token': `pypi${'-'}AgEIcHlwaS5vcmc${letters}${letters}`,
  'slack-token': `xox${'b-'}${letters}`,
  jwt: `${b64('{"typ":"JWT","alg":"HS256"}')}.${b64('{"sub":"12345678"}')}.${letters}`,
  'assigned-secret': `api_key: "${letters}"`,
}

interface Searched {
  readonly leaks: readonly Leak[]
  readonly unsearched: readonly Unsearched[]
}

async function search(content: Buffer | string, pieceBytes = 1 << 16, unpackedBytesMax?: number): Promise<Searched> {
  const known = new KnownValues()
  known.add('VALUE', VALUE)
  const leaks: Leak[] = []
  const unsearched: Unsearched[] = []
  const bytes = Buffer.from(content)
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
  }
  await new LeakSearch(known, { found: (leak) => leaks.push(leak), unsearched: (what) => unsearched.push(what) }, unpackedBytesMax).search(
    'f',
    pieces(),
  )
  return { leaks, unsearched }
}

const rulesOf = ({ leaks }: Searched): readonly string[] => leaks.map(({ rule, line }) => `${rule}:${line}`)

test('each shape is found, at its line, also where it is cut into single bytes, and never shown whole', async () => {
  for (const [rule, text] of Object.entries(SHAPES)) {
    for (const piece of [1, 7, 1 << 16]) {
      const searched = await search(`first\nsecond ${text} end\n`, piece)
      assert.ok(rulesOf(searched).includes(`${rule}:2`), `${rule} in pieces of ${piece}: ${rulesOf(searched).join()}`)
      for (const { head, fingerprint } of searched.leaks) {
        assert.ok(head.length <= 5 && head.length <= text.length / 5)
        assert.match(String(fingerprint), /^[0-9a-f]{16}$/)
      }
    }
  }
})

test('what only looks like one is none', async () => {
  const texts = [
    'token: ${{ secrets.TOKEN_OF_THE_PUBLISHER }}',
    'password = process.env.DATABASE_PASSWORD',
    'secret_name: my-very-long-secret-name-here',
    'token: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa1',
    `${b64('{"typ":"JOSE"}')}.${b64('{"sub":"12345678"}')}.${letters}`,
    '-----BEGIN PUBLIC KEY-----',
    `xghp_${letters}`,
  ]
  for (const text of texts) assert.deepEqual(rulesOf(await search(text)), [], text)
})

test('a known value is found in the forms of the redactor, by its name, over any cut, at its line', async () => {
  const forms = [VALUE, Buffer.from(VALUE).toString('base64'), Buffer.from(VALUE).toString('hex'), encodeURIComponent(VALUE)]
  for (const form of forms) {
    for (const filler of [0, 65_530, 200_000]) {
      const { leaks } = await search(`${'x'.repeat(filler)}\n\n${form}`)
      assert.deepEqual(
        leaks.map(({ rule, name, line, head, fingerprint }) => [rule, name, line, head, fingerprint]),
        [['known-value', 'VALUE', 3, '', null]],
        `${form} after ${filler}`,
      )
    }
  }
})

function pack(t: TestContext, make: (directory: string) => void): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-leaks-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'inner.txt'), `a\n${VALUE}\n`)
  make(directory)
  return readFileSync(join(directory, 'out'))
}

const TAR = (directory: string): unknown => execFileSync('tar', ['-C', directory, '-czf', join(directory, 'out'), 'inner.txt'])
const ZIP = (directory: string): void => {
  execFileSync('tar', ['-C', directory, '-czf', join(directory, 'in.tgz'), 'inner.txt'])
  execFileSync('zip', ['-q', 'out.zip', 'inner.txt', 'in.tgz'], { cwd: directory })
  execFileSync('mv', ['out.zip', 'out'], { cwd: directory })
}

test('archives are searched inside, and archives in them', async (t) => {
  assert.deepEqual(
    (await search(pack(t, TAR))).leaks.map(({ place, line }) => `${place}:${line}`),
    ['f!inner.txt:2'],
  )
  assert.deepEqual(
    (await search(pack(t, ZIP))).leaks.map(({ place, line }) => `${place}:${line}`),
    ['f!inner.txt:2', 'f!in.tgz!inner.txt:2'],
  )
})

test('an archive that is cut or changed anywhere is searched or said to be unsearched, and never crashes', async (t) => {
  for (const whole of [pack(t, TAR), pack(t, ZIP)]) {
    for (let length = 4; length < whole.length; length += 7) {
      const { leaks, unsearched } = await search(whole.subarray(0, length))
      assert.ok(leaks.length > 0 || unsearched.length > 0, `cut at ${length}`)
    }
    for (let at = 0; at < whole.length; at += 3) {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] ?? 0) ^ 0xff
      await search(changed)
    }
  }
})

test('what is packed too often, or unpacks to too much, is said to be unsearched', async () => {
  let layers = Buffer.from(VALUE)
  for (let index = 0; index < 5; index++) layers = gzipSync(layers)
  assert.deepEqual((await search(layers)).unsearched, [{ place: 'f', reason: 'too many archives in one another' }])
  // Each layer counts: 6 MiB twice are more than 10.
  const bomb = gzipSync(gzipSync(Buffer.alloc(6 << 20), { level: 0 }))
  const { unsearched } = await search(bomb, 1 << 16, 10 << 20)
  assert.deepEqual(unsearched, [{ place: 'f', reason: 'it could not be unpacked: unpacked it has more bytes than are searched' }])
})

test('texts that are all beginnings cost time in proportion', async () => {
  for (const beginning of ['eyJ-', 'token=', '-----BEGIN ', 'secretsecret', 'ghp_'])
    assert.deepEqual(rulesOf(await search(beginning.repeat(Math.ceil((4 << 20) / beginning.length)))), [], beginning)
})

test('a text with any number of credentials gives a bounded list', async () => {
  const many = Array.from({ length: 5000 }, (_, index) => `gh${'p_'}${String(index).padStart(36, letters)}`).join('\n')
  assert.equal((await search(many)).leaks.length, 100)
})
