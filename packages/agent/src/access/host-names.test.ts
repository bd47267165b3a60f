// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import type { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeDirectory } from './_temporary-directory.ts'
import { readHostNames, readNameServers, readOwnAddresses, readSystemAuthorities } from './host-names.ts'

test('name servers are those that the C library would ask', async (t) => {
  const text =
    '# c\nsearch x.test\nnameserver 192.0.2.53\n  nameserver 2001:DB8::53\nnameserver nonsense\nnameserver 192.0.2.54 # c\nnameserver 192.0.2.55\n'
  const directory = makeDirectory(t, { 'resolv.conf': text })
  assert.deepEqual(await readNameServers(join(directory, 'resolv.conf')), ['192.0.2.53', '[2001:db8::53]', '192.0.2.54'])
  assert.deepEqual(await readNameServers(join(directory, 'none')), [])
})

test('names of the hosts file are kept, those of the loopback are not: inside of a job they mean the job', async (t) => {
  const text = `127.0.0.1 localhost localhost.localdomain
::1 ip6-localhost ip6-loopback localhost6
192.0.2.1 Git.Test. git # 192.0.2.9 no.test
192.0.2.2 git
127.0.1.1 myhost
300.0.0.1 bad.test
`
  const directory = makeDirectory(t, { hosts: text })
  assert.deepEqual(await readHostNames(join(directory, 'hosts')), {
    hosts: { 'git.test': ['192.0.2.1'], git: ['192.0.2.1', '192.0.2.2'], myhost: ['127.0.1.1'] },
    dropped: 0,
  })
})

test('a list of names to block does not go to every gate', async (t) => {
  const lines = Array.from({ length: 5000 }, (_, index) => `0.0.0.0 ads${index}.test\n`)
  const { hosts, dropped } = await readHostNames(join(makeDirectory(t, { hosts: lines.join('') }), 'hosts'))
  assert.deepEqual([Object.keys(hosts).length, dropped], [4096, 904])
})

test('a FIFO in the place of the hosts file is an error and no wait', async (t) => {
  const fifo = join(makeDirectory(t), 'hosts')
  execFileSync('mkfifo', [fifo])
  await assert.rejects(readHostNames(fifo), /not a regular file/)
})

test('every address of every interface is the own one, without its zone', () => {
  const interfaces = {
    lo: [{ address: '127.0.0.1' }, { address: '::1' }],
    eth0: [{ address: '192.0.2.7' }, { address: 'fe80::1%eth0' }, { address: '192.0.2.7' }],
    none: undefined,
  } as unknown as ReturnType<typeof networkInterfaces>
  assert.deepEqual(
    readOwnAddresses(() => interfaces),
    ['127.0.0.1', '::1', '192.0.2.7', 'fe80::1'],
  )
})

test('the certificates of the system are the first bundle that there is', async (t) => {
  const directory = makeDirectory(t, { empty: '', pem: '-----BEGIN CERTIFICATE-----\nx\n' })
  const path = (name: string): string => join(directory, name)
  assert.match((await readSystemAuthorities([path('none'), path('empty'), path('pem')])) ?? '', /BEGIN/)
  assert.equal(await readSystemAuthorities([path('none')]), null)
})
