// SPDX-License-Identifier: Apache-2.0
// Programs as jobs run them, who find the job's authority the way they find any: by the variables and options that tools have for it.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Output, rule, run, type ServeOptions, serve, startGate, TestAuthority, type TestGate, type TestServer } from './_harness.ts'

// The only name that every client resolves without help.
const localhost = new TestAuthority('localhost')

async function world(context: TestContext): Promise<{ readonly gate: TestGate; readonly server: TestServer }> {
  const respond: ServeOptions['respond'] = (request, response, body) => void response.end(`${request.httpVersion} ${request.url} ${body}`)
  const server = await serve('h2+https', { certificate: localhost.for('localhost'), respond })
  server.server.on('upgrade', greet)
  const gate = await startGate({
    rules: [rule('localhost', { websocket: true })],
    servers: { localhost: server.port },
    internet: localhost,
    meantPort: 'own',
  })
  context.after(async () => {
    await gate.close()
    server.close()
  })
  return { gate, server }
}

function greet(request: { headers: Record<string, string> }, socket: Socket): void {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.on('error', () => socket.destroy())
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  // A text frame without mask.
  socket.write(Buffer.from([0x81, 5, ...Buffer.from('hello')]))
}

const node = (gate: TestGate, script: string): Promise<Output> =>
  run(process.execPath, ['--input-type=module', '-e', `const origin = 'localhost:${gate.port}'\n${script}`], '', {
    NODE_EXTRA_CA_CERTS: gate.authorityFile,
  })

test('fetch of Node', async (context) => {
  const { gate } = await world(context)
  const { stdout, stderr } = await node(
    gate,
    "console.log(await (await fetch(`https://${origin}/a?b`, { method: 'POST', body: 'text' })).text())",
  )
  assert.equal(stdout, '1.1 /a?b text\n', stderr)
})

test('node:https, and node:http2', async (context) => {
  const { gate } = await world(context)
  const https = "import https from 'node:https'; https.get(`https://${origin}/a`, (response) => response.pipe(process.stdout))"
  assert.equal((await node(gate, https)).stdout, '1.1 /a ')
  const http2 =
    "import http2 from 'node:http2'; const s = http2.connect(`https://${origin}`); const r = s.request({ ':path': '/b' }); r.pipe(process.stdout); r.on('close', () => s.close())"
  assert.equal((await node(gate, http2)).stdout, '2.0 /b ')
})

test('WebSocket of Node', async (context) => {
  const { gate } = await world(context)
  const { stdout, stderr } = await node(
    gate,
    'const s = new WebSocket(`wss://${origin}/x`); s.onmessage = ({ data }) => { console.log(data); process.exit() }',
  )
  assert.equal(stdout, 'hello\n', stderr)
})

test('urllib of Python', async (context) => {
  const { gate } = await world(context)
  const script = `import urllib.request; print(urllib.request.urlopen('https://localhost:${gate.port}/a', b'text').read().decode())`
  const { stdout, stderr } = await run('python3', ['-c', script], '', { SSL_CERT_FILE: gate.authorityFile })
  assert.equal(stdout, '1.1 /a text\n', stderr)
})

test('a client that does not know the authority gets nothing through', async (context) => {
  const { gate, server } = await world(context)
  const { code } = await run(process.execPath, ['-e', `fetch('https://localhost:${gate.port}/').catch(() => process.exit(3))`])
  assert.equal(code, 3)
  assert.equal(server.arrivals.length, 0)
})
