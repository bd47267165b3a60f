// SPDX-License-Identifier: Apache-2.0
// The other side is not ours: rsyslog.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { MemoryLog, testEntries, testRecord } from '../_log.ts'
import { TemporaryDirectory } from '../_temporary-directory.ts'
import { LogExporter } from '../log-exporter.ts'
import { jsonLine } from '../record/json-line.ts'
import { makeCertificates, Rsyslog, tlsOf } from './_rsyslog.spawn.ts'
import type { SyslogTls } from './syslog-connection.ts'
import { SyslogTarget } from './syslog-target.ts'

const signal = new AbortController().signal

function targetOf({ port }: Rsyslog, tls: SyslogTls | null): SyslogTarget {
  return new SyslogTarget({ address: { host: '127.0.0.1', port, tls }, format: jsonLine })
}

describe('rsyslog', { timeout: 240_000 }, () => {
  test('takes a log apart as RFC 5424 says, over TCP', async () => {
    await using directory = await TemporaryDirectory.create()
    await using rsyslog = await Rsyslog.start(directory.path, null)
    const record = testRecord(4, { type: 'door.alert', data: { text: 'a "b"\\\n]é' } })
    await targetOf(rsyslog, null).deliver([record], signal)
    const [message] = await rsyslog.received(1)
    const { msg = '', ...rest } = message ?? {}
    assert.deepEqual(rest, {
      pri: '108',
      time: '2026-11-29T12:00:00.123Z',
      app: 'sallyport',
      msgid: 'door.alert',
      data: '[meta sequenceId="5"]',
      version: '1',
    })
    assert.deepEqual(JSON.parse(msg).entry, record.entry)
  })

  for (const over of ['TCP', 'TLS'])
    test(`gets every entry of a log once and in order, over ${over}`, async () => {
      await using directory = await TemporaryDirectory.create()
      const certificates = over === 'TLS' ? await makeCertificates(join(directory.path, 'certificates')) : null
      await using rsyslog = await Rsyslog.start(directory.path, certificates)
      const target = targetOf(rsyslog, certificates === null ? null : tlsOf(certificates))
      const options = { source: new MemoryLog().publish(testEntries(1000)), target, directory: directory.path, name: 'siem' }
      await using exporter = await LogExporter.open({ ...options, onProgress: ({ failure }) => assert.equal(failure, null) })
      await exporter.runOnce(signal)
      const messages = await rsyslog.received(1000)
      assert.deepEqual(
        messages.map(({ msg = '' }) => JSON.parse(msg).index),
        Array.from({ length: 1000 }, (_, index) => index),
      )
    })

  test('is sent nothing where its certificate is of another authority, or it wants ours and we have none', async () => {
    await using directory = await TemporaryDirectory.create()
    const certificates = await makeCertificates(join(directory.path, 'certificates'))
    const others = tlsOf(await makeCertificates(join(directory.path, 'others')))
    await using rsyslog = await Rsyslog.start(directory.path, certificates)
    const { identity } = tlsOf(certificates)
    for (const tls of [
      { ...others, identity },
      { ca: null, identity },
      { ...tlsOf(certificates), identity: null },
    ])
      await assert.rejects(targetOf(rsyslog, tls).deliver([testRecord(0)], signal), { code: 'EXPORT_FAILED' })
    await targetOf(rsyslog, tlsOf(certificates)).deliver([testRecord(7)], signal)
    const messages = await rsyslog.received(1)
    assert.deepEqual(
      messages.map(({ msg = '' }) => JSON.parse(msg).index),
      [7],
    )
  })
})
