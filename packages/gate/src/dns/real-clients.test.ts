// SPDX-License-Identifier: Apache-2.0
// The resolvers that jobs use, asked for real: BIND's tools, c-ares, and the C library.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promises as dns } from 'node:dns'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type StartedServer, startServer } from './_server.ts'
import { recordedStep } from './_steps.ts'

const run = promisify(execFile)

async function runOrAdvise(command: string, args: readonly string[], debianPackage: string): Promise<string> {
  try {
    return (await run(command, args, { timeout: 240_000 })).stdout
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error(`${command} is missing: install the Debian package ${debianPackage} (scripts/bootstrap.sh test)`)
  }
}

/** One retry would hide a lost answer: none. */
const dig = ({ port }: StartedServer, ...args: string[]): Promise<string> =>
  runOrAdvise('dig', ['-4', '@127.0.0.1', '-p', String(port), '+tries=1', '+time=3', ...args], 'bind9-dnsutils')

const step = (): ReturnType<typeof recordedStep> => recordedStep(['allowed.test', '*.pkg.test'])

test('dig gets the address of an allowed name in every way of asking', async () => {
  await using server = await startServer(step())
  for (const way of [
    [],
    ['+tcp'],
    ['+noedns'],
    ['+dnssec'],
    ['+nocookie'],
    ['+bufsize=512'],
    ['+norecurse'],
    ['+cdflag'],
    ['+padding=128'],
    ['+nsid'],
    ['+subnet=192.0.2.0/24'],
    ['+tcp', '+keepalive'],
  ]) {
    const output = await dig(server, ...way, 'aLLowed.TEST', 'A')
    assert.match(output, /status: NOERROR/, way.join(' '))
    assert.match(output, /^aLLowed\.TEST\.\s+30\s+IN\s+A\s+198\.19\.0\.\d+$/m, way.join(' '))
    assert.doesNotMatch(output, /warning|malformed|mismatch/i, way.join(' '))
  }
})

test('dig gets no other record of an allowed name, and is not asked to wait or try again', async () => {
  await using server = await startServer(step())
  for (const type of ['AAAA', 'HTTPS', 'SVCB', 'TXT', 'MX', 'SRV', 'CAA', 'NS', 'SOA', 'CNAME', 'ANY']) {
    const output = await dig(server, '+notcp', 'allowed.test', type)
    assert.match(output, /status: NOERROR.*\n.*ANSWER: 0, AUTHORITY: 1/, type)
    assert.doesNotMatch(output, /warning|malformed/i, type)
  }
})

test('dig shows a refusal with its reason and the line to add', async () => {
  await using server = await startServer(step())
  const output = await dig(server, 'evil.test')
  assert.match(output, /status: NXDOMAIN/)
  assert.match(output, /EDE: 15 \(Blocked\): .*no rule.*evil\.test:443/)
  assert.match(await dig(server, '+tcp', 'evil.test', 'TXT'), /EDE: 15 \(Blocked\)/)
})

test('dig over one kept TCP connection asks for several names', async () => {
  await using server = await startServer(step())
  const output = await dig(server, '+tcp', '+keepopen', '+short', 'allowed.test', 'evil.test', 'a.pkg.test', 'b.pkg.test')
  assert.equal(output.split('\n').filter((line) => /^198\.19\./.test(line)).length, 3)
})

test('dig is told what is not done here', async () => {
  await using server = await startServer(step())
  assert.match(await dig(server, 'CH', 'TXT', 'version.bind'), /status: REFUSED/)
  assert.match(await dig(server, '+opcode=notify', 'allowed.test'), /status: NOTIMP/)
  assert.match(await dig(server, '+edns=1', '+noednsnegotiation', 'allowed.test'), /status: BADVERS/)
  assert.match(await dig(server, '+edns=1', 'allowed.test'), /status: NOERROR/)
  assert.match(await dig(server, '+header-only'), /status: FORMERR/)
  assert.match(await dig(server, '.', 'NS'), /status: REFUSED/)
})

test('dig -x finds the name of an address that was given out', async () => {
  await using server = await startServer(step())
  const address = (await dig(server, '+short', 'allowed.test')).trim()
  assert.equal((await dig(server, '+short', '-x', address)).trim(), 'allowed.test.')
  assert.match(await dig(server, '-x', '198.19.9.9'), /status: NXDOMAIN/)
})

test("Node's resolver (c-ares) finds what is allowed and nothing else", async () => {
  await using server = await startServer(step())
  const resolver = new dns.Resolver({ timeout: 2000, tries: 1 })
  resolver.setServers([`127.0.0.1:${server.port}`])
  assert.match((await resolver.resolve4('allowed.test')).join(), /^198\.19\.0\.\d+$/)
  const [{ ttl } = { ttl: 0 }] = await resolver.resolve4('a.pkg.test', { ttl: true })
  assert.equal(ttl, 30)
  await assert.rejects(resolver.resolve6('allowed.test'), { code: 'ENODATA' })
  await assert.rejects(resolver.resolveTxt('allowed.test'), { code: 'ENODATA' })
  await assert.rejects(resolver.resolve4('evil.test'), { code: 'ENOTFOUND' })
  assert.deepEqual(await resolver.reverse((await resolver.resolve4('allowed.test'))[0] ?? ''), ['allowed.test'])
})

test("the C library's resolver finds what is allowed and nothing else, over UDP and TCP", async () => {
  const program = fileURLToPath(new URL('./_serve-glibc.ts', import.meta.url))
  const output = await runOrAdvise('unshare', ['--net', '--mount', process.execPath, program], 'util-linux')
  const found = Object.entries(JSON.parse(output) as Record<string, string>)
  assert.equal(found.length, 8)
  for (const [asked, answer] of found) assert.match(answer, asked.startsWith('allowed') ? /^198\.19\.0\.\d+ / : /^exit 2/, asked)
})
