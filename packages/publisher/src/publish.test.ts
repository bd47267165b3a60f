// SPDX-License-Identifier: Apache-2.0
// The publisher's process against a server that is slow, hostile, or somebody else. Nothing leaves 127.0.0.1.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Handler, startServer } from './_server.ts'
import type { FilePublication, PublishOutcome } from './contract.ts'
import { parseOutcome, parsePublication } from './parse-messages.ts'
import { publishArtifact } from './publisher.spawn.ts'

const directory = mkdtempSync(join(tmpdir(), 'sallyport-publish-'))
const content = Buffer.alloc(3_000_000, 'artifact ')
const sha256 = createHash('sha256').update(content).digest('hex')
const file = join(directory, 'artifact')
writeFileSync(file, content)
after(() => rmSync(directory, { recursive: true }))

const never = new AbortController().signal

interface Tried {
  readonly outcome: PublishOutcome
  readonly requests: number
}

/** What comes of a publication to a server that does this. */
async function attempt(handle: Handler, changed: Partial<FilePublication> = {}, signal: AbortSignal = never, path = file): Promise<Tried> {
  let requests = 0
  await using server = await startServer((request, response) => {
    requests += 1
    handle(request, response)
  })
  const artifact = openSync(path, 'r')
  try {
    const outcome = await publishArtifact(
      {
        kind: 'file',
        method: 'PUT',
        url: `${server.url}/acme/app.tgz`,
        credential: { header: 'authorization', value: 'Bearer secret-value' },
        bytes: content.length,
        sha256,
        authorities: server.authority,
        timeoutMs: 20_000,
        ...changed,
      },
      artifact,
      signal,
    )
    return { outcome, requests }
  } finally {
    closeSync(artifact)
  }
}

const answer =
  (status: number, headers: Record<string, string> = {}): Handler =>
  (request, response) =>
    void request.resume().on('end', () => response.writeHead(status, headers).end())

function failureOf({ outcome }: Tried): string {
  assert.ok(!outcome.published)
  assert.doesNotMatch(outcome.message, /secret-value/)
  return `${outcome.failure}${outcome.mayBeThere ? ' (may be there)' : ''}`
}

test('the server gets what was handed over, with its length, its digest and the credential', async () => {
  const hash = createHash('sha256')
  let headers: Record<string, unknown> = {}
  const { outcome, requests } = await attempt((request, response) => {
    headers = request.headers
    request.on('data', (part: Buffer) => hash.update(part)).on('end', () => response.writeHead(201).end())
  })
  assert.deepEqual(outcome, { published: true, status: 201, digest: null })
  assert.equal(requests, 1)
  assert.equal(hash.digest('hex'), sha256)
  assert.equal(headers['authorization'], 'Bearer secret-value')
  assert.equal(headers['content-length'], String(content.length))
  assert.equal(headers['content-digest'], `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`)
})

test('nothing is sent to who has not proved to be the server', async () => {
  const tried = await attempt(answer(200), { authorities: null })
  assert.equal(failureOf(tried), 'certificate')
  assert.equal(tried.requests, 0)
  await using other = await startServer(answer(200))
  assert.equal(failureOf(await attempt(answer(200), { authorities: other.authority })), 'certificate')
})

test('no redirect is followed: the credential is for one server', async () => {
  let elsewhere = 0
  await using other = await startServer((request, response) => {
    elsewhere += 1
    answer(200)(request, response)
  })
  for (const status of [301, 302, 307, 308]) {
    const tried = await attempt(answer(status, { location: `${other.url}/` }), { authorities: null }).catch(assert.fail)
    assert.equal(failureOf(tried), 'certificate')
    const trusted = await attempt(answer(status, { location: `${other.url}/` }))
    assert.equal(failureOf(trusted), 'redirected')
    assert.equal(trusted.requests, 1)
  }
  assert.equal(elsewhere, 0)
})

test('a PUT is sent again where that helps, and a POST never', async () => {
  let left = 1
  const overloadedOnce: Handler = (request, response) => answer(left-- > 0 ? 503 : 201)(request, response)
  const again = await attempt(overloadedOnce)
  assert.deepEqual([again.outcome.published, again.requests], [true, 2])
  left = 1
  const once = await attempt(overloadedOnce, { method: 'POST' })
  assert.deepEqual([failureOf(once), once.requests], ['refused', 1])
  const cut: Handler = (request) => void request.once('data', () => request.socket.destroy())
  const post = await attempt(cut, { method: 'POST' })
  assert.deepEqual([failureOf(post), post.requests], ['unreachable (may be there)', 1])
  const put = await attempt(cut)
  assert.deepEqual([failureOf(put), put.requests], ['unreachable (may be there)', 3])
  const gateway = await attempt(answer(504), { method: 'POST' })
  assert.deepEqual([failureOf(gateway), gateway.requests], ['failed (may be there)', 1])
})

test('what a server says is what it means, also when it does not read to the end', async () => {
  for (const [status, failure] of [
    [400, 'refused'],
    [401, 'refused'],
    [403, 'refused'],
    [409, 'refused'],
    [413, 'refused'],
  ] as const) {
    const tried = await attempt(answer(status))
    assert.deepEqual([failureOf(tried), tried.requests], [failure, 1], String(status))
  }
  // More than the buffers of a connection take.
  const large = Buffer.alloc(64 << 20)
  const path = join(directory, 'large')
  writeFileSync(path, large)
  const claim = { bytes: large.length, sha256: createHash('sha256').update(large).digest('hex') }
  const early = await attempt((_request, response) => void response.writeHead(201, { connection: 'close' }).end(), claim, never, path)
  // Which of the two, its answer or the end of the connection, arrives first is the kernel's choice.
  assert.match(failureOf(early), /^(failed|unreachable) \(may be there\)$/, 'a success before the artifact was sent')
  const endless = await attempt((request, response) => {
    request.resume()
    response.writeHead(200)
    response.write(Buffer.alloc(1 << 20))
  })
  assert.equal(failureOf(endless), 'failed (may be there)')
})

test('a server that stands still is given up, and so is a publication that was ended', async () => {
  const still = await attempt(() => undefined, { timeoutMs: 300 })
  assert.equal(failureOf(still), 'timeout (may be there)')
  const ended = new AbortController()
  await assert.rejects(
    attempt(() => ended.abort(), {}, ended.signal),
    { code: 'PUBLISHER_LOST' },
  )
})

test('what is sent is what was decided about, or it has failed', async () => {
  const tried = await attempt(answer(201), { sha256: '0'.repeat(64) })
  assert.equal(failureOf(tried), 'failed (may be there)')
})

test('neither end believes what the other never says', () => {
  const publication = {
    kind: 'file',
    method: 'PUT',
    url: 'https://a.test/',
    credential: null,
    bytes: 1,
    sha256,
    authorities: null,
    timeoutMs: 1,
  }
  assert.deepEqual(parsePublication(JSON.stringify(publication)), publication)
  for (const wrong of [
    { method: 'DELETE' },
    { url: 'http://a.test/' },
    { bytes: -1 },
    { sha256: 'x' },
    { authorities: 1 },
    { timeoutMs: '1' },
    { credential: {} },
  ])
    assert.throws(() => parsePublication(JSON.stringify({ ...publication, ...wrong })), TypeError, JSON.stringify(wrong))
  for (const wrong of ['{}', '[]', 'null', '{"published":true}', '{"published":false,"failure":"x","message":"","mayBeThere":true}'])
    assert.throws(() => parseOutcome(wrong), TypeError, wrong)
})
