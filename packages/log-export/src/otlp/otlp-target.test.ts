// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type HttpHandler, HttpServer, textAnswer } from '@sallyport/http'
import { testRecord } from '../_log.ts'
import type { Delivery, ExportRecord } from '../contract.ts'
import { otlpRequest } from './otlp-request.ts'
import { OtlpTarget } from './otlp-target.ts'

function failTest(error: unknown): never {
  throw error
}

interface Received {
  readonly indices: readonly number[]
  readonly contentType: string | null
}

function indicesOf(body: Uint8Array): number[] {
  const { resourceLogs } = JSON.parse(Buffer.from(body).toString()) as {
    resourceLogs: { scopeLogs: { logRecords: { attributes: { key: string; value: { intValue?: string } }[] }[] }[] }[]
  }
  const records = resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords))
  return records.map(({ attributes }) => Number(attributes.find(({ key }) => key === 'sallyport.log.index')?.value.intValue))
}

/** A collector that answers as a test says, and what it has taken. */
async function send(
  records: readonly ExportRecord[],
  answer: (indices: readonly number[]) => Awaited<ReturnType<HttpHandler>>,
): Promise<{ delivery: Delivery; received: Received[] }> {
  const received: Received[] = []
  const handle: HttpHandler = async (request) => {
    const indices = indicesOf((await request.body(10_000_000)) ?? new Uint8Array())
    received.push({ indices, contentType: request.header('content-type') })
    return answer(indices)
  }
  await using server = await HttpServer.start({ address: '127.0.0.1', port: 0, handle, onFailure: failTest })
  const delivery = await new OtlpTarget({ url: `${server.url}/v1/logs` }).deliver(records, new AbortController().signal)
  return { delivery, received }
}

const ten = Array.from({ length: 10 }, (_, index) => testRecord(index))

describe('an export over OTLP', () => {
  test('is one request for a batch, in JSON', async () => {
    const { delivery, received } = await send(ten, () => textAnswer(200, '{}'))
    assert.deepEqual(received, [{ indices: ten.map(({ index }) => index), contentType: 'application/json' }])
    assert.deepEqual(delivery, { refused: [], shortened: 0 })
  })

  test('counts what a collector refuses of a batch that it takes, whatever else it says', async () => {
    for (const [body, count] of [
      ['{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"no"}}', 3],
      ['{"partialSuccess":{"rejectedLogRecords":99}}', 10],
      ['{"partialSuccess":{"rejectedLogRecords":"-1"}}', 0],
      ['{"partialSuccess":[]}', 0],
      ['null', 0],
      ['no json', 0],
    ] as const)
      assert.equal((await send(ten, () => textAnswer(200, body))).delivery.refused.length, count, body)
  })

  test('finds the records that a collector refuses a batch for, and sends all others', async () => {
    const { delivery, received } = await send(ten, (indices) => textAnswer(indices.includes(7) || indices.includes(2) ? 400 : 200, ''))
    assert.deepEqual(
      delivery.refused.map(({ index }) => index),
      [2, 7],
    )
    const taken = received.filter(({ indices }) => !indices.includes(7) && !indices.includes(2)).flatMap(({ indices }) => indices)
    assert.deepEqual(taken, [0, 1, 3, 4, 5, 6, 8, 9])
  })

  for (const status of [401, 404, 429, 500, 503])
    test(`takes status ${status} for no answer, and waits as long as it is told to`, async () => {
      await assert.rejects(
        send(ten, () => textAnswer(status, '', { 'retry-after': '7' })),
        { code: 'EXPORT_FAILED', retryAfterMs: 7000 },
      )
    })

  test('fails where nobody listens', async () => {
    const target = new OtlpTarget({ url: 'http://127.0.0.1:1/v1/logs' })
    await assert.rejects(target.deliver(ten, new AbortController().signal), { code: 'EXPORT_FAILED' })
  })
})

describe('a record of OTLP', () => {
  const [log] = [
    otlpRequest(
      [
        testRecord(4, {
          type: 'door.refused',
          job: 'build',
          data: { host: 'x', port: 443, ratio: 0.5, isIt: true, none: null, list: [1, 'a'] },
        }),
      ],
      { hostname: 'h', nowMs: 5 },
    ),
  ] as [{ resourceLogs: [{ scopeLogs: [{ logRecords: [Record<string, unknown>] }] }] }]
  const [record] = log.resourceLogs[0].scopeLogs[0].logRecords

  test('has time, severity, name, and a line for people', () => {
    const { attributes: _attributes, ...rest } = record
    assert.deepEqual(rest, {
      timeUnixNano: '1795953600123000000',
      observedTimeUnixNano: '5000000',
      severityNumber: 10,
      severityText: 'INFO2',
      eventName: 'door.refused',
      body: { stringValue: 'door.refused in build (run/r1)' },
    })
  })

  test('has the entry as typed values', () => {
    const attributes = record['attributes'] as { key: string; value: unknown }[]
    assert.deepEqual(attributes.find(({ key }) => key === 'sallyport.data')?.value, {
      kvlistValue: {
        values: [
          { key: 'host', value: { stringValue: 'x' } },
          { key: 'port', value: { intValue: '443' } },
          { key: 'ratio', value: { doubleValue: 0.5 } },
          { key: 'isIt', value: { boolValue: true } },
          { key: 'none', value: {} },
          { key: 'list', value: { arrayValue: { values: [{ intValue: '1' }, { stringValue: 'a' }] } } },
        ],
      },
    })
    assert.deepEqual(
      attributes.map(({ key }) => key),
      ['sallyport.log.origin', 'sallyport.log.index', 'sallyport.source', 'sallyport.seq', 'sallyport.job', 'sallyport.data'],
    )
  })
})
