// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { HttpServer } from '@sallyport/http'
import { MemoryLog, testEntries } from '../_log.ts'
import { TemporaryDirectory } from '../_temporary-directory.ts'
import { tilesHandler } from './tiles-handler.ts'

/** A published log of 300 entries in a directory, with something beside it that is nobody's business, served. */
class ServedLog implements AsyncDisposable {
  readonly directory: string
  readonly url: string
  readonly failures: unknown[]
  readonly #server: HttpServer
  readonly #temporary: TemporaryDirectory

  private constructor(temporary: TemporaryDirectory, server: HttpServer, failures: unknown[]) {
    this.#temporary = temporary
    this.#server = server
    this.directory = join(temporary.path, 'log')
    this.url = server.url
    this.failures = failures
  }

  static async start(): Promise<ServedLog> {
    const temporary = await TemporaryDirectory.create()
    const directory = join(temporary.path, 'log')
    for (const [path, bytes] of new MemoryLog().publish(testEntries(300)).files) {
      await mkdir(dirname(join(directory, path)), { recursive: true })
      await writeFile(join(directory, path), bytes)
    }
    await mkdir(join(directory, 'tile/0'))
    await writeFile(join(directory, 'tile/0/000'), Buffer.alloc(8192))
    await writeFile(join(directory, 'tile/entries/002'), 'not published yet')
    await writeFile(join(directory, 'secret'), 'secret')
    await writeFile(join(temporary.path, 'key.pem'), 'secret')
    const failures: unknown[] = []
    const handle = await tilesHandler(directory)
    const server = await HttpServer.start({ address: '127.0.0.1', port: 0, handle, onFailure: (error) => failures.push(error) })
    return new ServedLog(temporary, server, failures)
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(this.url + path, { headers })
  }

  /** The path as it is: `fetch` would normalise it. */
  async statusOf(path: string): Promise<number> {
    const socket = connect(Number(new URL(this.url).port), '127.0.0.1')
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
    let answer = ''
    socket.on('data', (bytes: Buffer) => {
      answer += bytes.toString('latin1')
    })
    await once(socket, 'close')
    assert.doesNotMatch(answer, /secret|not published/)
    return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
    await this.#temporary[Symbol.asyncDispose]()
  }
}

describe('the read-only service of a log', () => {
  test('has the checkpoint, which nobody may keep', async () => {
    await using log = await ServedLog.start()
    const response = await log.get('/checkpoint')
    assert.deepEqual(
      ['content-type', 'cache-control', 'x-content-type-options'].map((name) => response.headers.get(name)),
      ['text/plain; charset=utf-8', 'no-cache', 'nosniff'],
    )
    assert.match(await response.text(), /^log\.example\.test\/audit\n300\n/)
  })

  test('has the list of keys once there is one, which nobody may keep either', async () => {
    await using log = await ServedLog.start()
    assert.equal((await log.get('/keys')).status, 404)
    await writeFile(join(log.directory, 'keys'), '{"v":1}')
    const response = await log.get('/keys')
    assert.deepEqual(
      [response.status, response.headers.get('content-type'), response.headers.get('cache-control'), await response.text()],
      [200, 'application/json', 'no-cache', '{"v":1}'],
    )
    await rename(join(log.directory, 'keys'), join(log.directory, 'other'))
    await symlink(join(log.directory, 'other'), join(log.directory, 'keys'))
    assert.equal((await log.get('/keys')).status, 404)
  })

  test('has tiles and bundles, which anybody may keep for good', async () => {
    await using log = await ServedLog.start()
    for (const [path, bytes] of [
      ['/tile/0/000', 8192],
      ['/tile/entries/000', undefined],
      ['/tile/entries/001.p/44', undefined],
    ] as const) {
      const response = await log.get(path)
      assert.deepEqual(
        [response.status, response.headers.get('content-type'), response.headers.get('cache-control')],
        [200, 'application/octet-stream', 'public, max-age=31536000, immutable'],
      )
      const body = await response.arrayBuffer()
      if (bytes !== undefined) assert.equal(body.byteLength, bytes)
    }
  })

  test('compresses bundles for those who take it', async () => {
    await using log = await ServedLog.start()
    const plain = await log.get('/tile/entries/000', { 'accept-encoding': 'identity, gzip;q=0' })
    const small = await log.get('/tile/entries/000', { 'accept-encoding': 'br, gzip' })
    assert.deepEqual([plain.headers.get('content-encoding'), small.headers.get('content-encoding')], [null, 'gzip'])
    assert.deepEqual(await small.bytes(), await plain.bytes())
    assert.equal((await log.get('/tile/0/000', { 'accept-encoding': 'gzip' })).headers.get('content-encoding'), null)
  })

  test('answers HEAD without a body, and no other method', async () => {
    await using log = await ServedLog.start()
    const head = await fetch(`${log.url}/tile/0/000`, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('content-length'), await head.text()], [200, '8192', ''])
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) assert.equal((await fetch(`${log.url}/checkpoint`, { method })).status, 405)
  })

  test('knows nothing but the paths of the specification, each in its one spelling', async () => {
    await using log = await ServedLog.start()
    const paths = [
      '/',
      '/secret',
      '/../key.pem',
      '/tile/../secret',
      '/tile/0/../../secret',
      '/%2e%2e/key.pem',
      '/tile/%2e%2e/secret',
      '/tile\\..\\secret',
      '//checkpoint',
      '/checkpoint/',
      '/./checkpoint',
      '/%63heckpoint',
      '/checkpoint%00',
      '/tile/00/000',
      '/tile/0/0',
      '/tile/0/x000/000',
      '/tile/64/000',
      '/tile/entries/001.p/044',
      '/tile/entries/001.p/0',
      '/tile/entries/001.p/256',
      '/tile/entries/',
      `/${'a'.repeat(4000)}`,
      `http://x${'/checkpoint'}`,
    ]
    for (const path of paths) assert.equal(await log.statusOf(path), 404, path)
    assert.deepEqual(log.failures, [])
  })

  test('has nothing beyond the published checkpoint', async () => {
    await using log = await ServedLog.start()
    assert.equal(await log.statusOf('/tile/entries/002'), 404)
    assert.equal(await log.statusOf('/tile/entries/001.p/45'), 404)
    assert.equal(await log.statusOf('/tile/entries/001'), 404)
  })

  test('has the partial files of the published checkpoint also when full ones have taken their place that are not published yet', async () => {
    await using log = await ServedLog.start()
    const tile = randomBytes(8192)
    const bundle = new MemoryLog().publish(testEntries(600)).files.get('tile/entries/001') ?? new Uint8Array()
    const before = [tile.subarray(0, 44 * 32), await (await log.get('/tile/entries/001.p/44')).bytes()].map((bytes) =>
      Uint8Array.from(bytes),
    )
    await rm(join(log.directory, 'tile/entries/001.p'), { recursive: true })
    await writeFile(join(log.directory, 'tile/0/001'), tile)
    await writeFile(join(log.directory, 'tile/entries/001'), bundle)
    const now = await Promise.all(['/tile/0/001.p/44', '/tile/entries/001.p/44'].map(async (path) => (await log.get(path)).bytes()))
    assert.deepEqual(now, before)
    const small = await log.get('/tile/entries/001.p/44', { 'accept-encoding': 'gzip' })
    assert.deepEqual([small.headers.get('content-encoding'), await small.bytes()], ['gzip', before[1]])
    for (const path of ['/tile/0/001', '/tile/entries/001', '/tile/0/001.p/45', '/tile/entries/001.p/45'])
      assert.equal(await log.statusOf(path), 404, path)
    // What is full in the published tree is had in full
    assert.equal(await log.statusOf('/tile/entries/000.p/44'), 404)
    await writeFile(join(log.directory, 'tile/entries/001'), Buffer.from([0xff, 0xff, 1]))
    assert.equal(await log.statusOf('/tile/entries/001.p/44'), 404)
    assert.deepEqual(log.failures, [])
  })

  test('follows no link, at the end of a path or on the way', async () => {
    await using log = await ServedLog.start()
    await rename(join(log.directory, 'tile/0/000'), join(log.directory, '../tile'))
    await symlink(join(log.directory, '../key.pem'), join(log.directory, 'tile/0/000'))
    assert.equal(await log.statusOf('/tile/0/000'), 404)
    await rename(join(log.directory, 'tile/entries'), join(log.directory, '../entries'))
    await symlink(join(log.directory, '../entries'), join(log.directory, 'tile/entries'))
    assert.equal(await log.statusOf('/tile/entries/000'), 404)
  })
})
