// SPDX-License-Identifier: Apache-2.0
// What a step was allowed ends with it, whatever it left running.
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { ORIGINS } from '../_internet/addresses.ts'
import { type Arrival, Internet } from '../_internet/internet.ts'
import { type JsonRun, World } from '../_world.ts'
import { behaviour } from './_suite.ts'

const isListing = process.env['ESCAPE_LIST'] === '1'
let shared: { readonly internet: Internet; readonly world: World } | null = null

after(async () => {
  await shared?.internet[Symbol.asyncDispose]()
  await shared?.world[Symbol.asyncDispose]()
})

interface TwoSteps {
  /** Both scripts run as steps; `first` has the doors `web.test:443` and `web.test:7777`, `second` only `other.test:443`. */
  readonly first: string
  readonly second: string
}

async function runTwoSteps({ first, second }: TwoSteps): Promise<{ readonly run: JsonRun; readonly arrivals: readonly Arrival[] }> {
  shared ??= { internet: await Internet.start(), world: new World() }
  const { internet, world } = shared
  const indent = (script: string): string => script.replaceAll(/^/gm, '          ')
  const repository = world.workflow(
    `on: push
jobs:
  two:
    runs-on: ubuntu-latest
    steps:
      - id: first
        run: |
${indent(first)}
      - id: second
        run: |
${indent(second)}
`,
    {
      'sallyport.yml': `version: 1
jobs:
  two:
    steps:
      first: { egress: [web.test:443, { host: web.test, port: 7777, protocol: tcp }] }
      second: { egress: [other.test:443] }
`,
    },
  )
  const before = (await internet.arrivals()).length
  const run = await world.runJson(repository, ['--config', internet.operatorFile()], { wrap: internet.wrap })
  assert.equal(run.exitCode, 0, run.why)
  const all = await internet.arrivals()
  assert.ok(all.length > before, run.why)
  return { run, arrivals: all }
}

const uris = (arrivals: readonly Arrival[]): string[] => arrivals.filter(({ kind }) => kind === 'http').map(({ uri }) => String(uri))

behaviour({ name: 'a process that a step leaves behind has no door any more', rows: [17] }, async () => {
  if (isListing) return
  const { arrivals, run } = await runTwoSteps({
    first: `nohup bash -c 'for i in $(seq 60); do curl -sSk -m 1 "https://web.test/title?leftover=$i"; sleep 0.05; done' > /tmp/leftover 2>&1 &
until grep -q honest /tmp/leftover; do sleep 0.02; done`,
    second: 'curl -sSk https://other.test/title?second-has-begun; sleep 2; curl -sSk https://other.test/title?second-ends',
  })
  const seen = uris(arrivals)
  const begun = seen.indexOf('/title?second-has-begun')
  assert.ok(seen.some((uri) => uri.includes('leftover=1')) && begun > 0 && seen.includes('/title?second-ends'), run.why)
  assert.deepEqual(
    seen.slice(begun).filter((uri) => uri.includes('leftover')),
    [],
  )
})

behaviour({ name: 'a connection of a step ends with it, even when another process holds it', rows: [17] }, async () => {
  if (isListing) return
  const { arrivals, run } = await runTwoSteps({
    first: `exec 3<>/dev/tcp/web.test/7777
nohup bash -c 'while [ ! -e /tmp/go ]; do sleep 0.02; done; echo too late >&3; sleep 1' > /dev/null 2>&1 &
exec 4<>/dev/tcp/web.test/7777; echo in time >&4; cat <&4`,
    second: 'touch /tmp/go; sleep 1; curl -sSk https://other.test/title',
  })
  const texts = arrivals.filter(({ kind }) => kind === 'tcp').map(({ text }) => text)
  assert.ok(texts.includes('in time\n'), run.why)
  assert.ok(!texts.includes('too late\n'))
})

behaviour({ name: 'the address of an earlier step’s name is no door for a later step', rows: [30] }, async () => {
  if (isListing) return
  const { arrivals, run } = await runTwoSteps({
    first: `getent hosts web.test | cut -d' ' -f1 > /tmp/address; curl -sSk https://web.test/title?by-name`,
    second: `address=$(cat /tmp/address); curl -sSk -m 3 --resolve web.test:443:$address https://web.test/title?by-address || true
curl -sSk -m 3 https://web.test/title?by-name-again || true; curl -sSk https://other.test/title?own`,
  })
  const seen = uris(arrivals)
  assert.ok(seen.includes('/title?by-name') && seen.includes('/title?own'), run.why)
  assert.ok(!seen.includes('/title?by-address') && !seen.includes('/title?by-name-again'))
  const refused = run.document.doors.refused.filter(({ step }) => step === '2')
  assert.ok(refused.length >= 2, JSON.stringify(refused))
})

behaviour({ name: 'nobody can connect to a job, and a job finds nobody beside it', rows: [] }, async () => {
  if (isListing) return
  const { run } = await runTwoSteps({
    first: `python3 -c "
import socket
s = socket.socket()
s.bind(('0.0.0.0', 9000))
s.listen()
s.settimeout(2)
try:
    s.accept()
    print('SOMEBODY CAME')
except TimeoutError:
    print('nobody came')
" & python3 -c "
import socket
for address in ('198.18.0.1', '198.18.1.1', '198.18.1.2', '198.18.0.3', '${ORIGINS.web}'):
    try:
        s = socket.create_connection((address, 9000), 1)
        s.settimeout(1)
        print('reached', address, s.recv(10))
    except OSError as e:
        print('refused', address, e)
"
wait; curl -sSk https://web.test/title`,
    second: 'true',
  })
  const output = run.output('two', '1')
  assert.match(output, /nobody came/)
  assert.doesNotMatch(output, /SOMEBODY CAME|^reached \S+ b'.+'/m)
})
