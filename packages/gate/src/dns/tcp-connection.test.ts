// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { u16 } from './_messages.ts'
import { serveTcpQuestions } from './tcp-connection.ts'

test('while answers are not fetched nothing is read, and all are sent in order once they are', async () => {
  const question = Buffer.alloc(20)
  const block = Buffer.concat(Array.from({ length: 500 }, () => [u16(question.length), question]).flat())
  let fetch: () => void = () => undefined
  let isFetching = false
  let sent = 0
  const socket = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      sent += chunk.length
      if (isFetching) done()
      else fetch = done
    },
  })
  serveTcpQuestions(socket as Socket, { answer: () => Buffer.alloc(498), idleMs: 10_000 })
  for (let index = 0; index < 20; index += 1) {
    socket.push(block)
    await turn()
  }
  assert.ok(socket.isPaused())
  assert.ok(socket.writableLength < 66 * 1024, `${socket.writableLength} bytes of answers are kept`)
  // what is not read stays with the kernel; here, in the stream
  assert.ok(socket.readableLength >= 18 * block.length, `${socket.readableLength} bytes were left unread`)
  isFetching = true
  for (let index = 0; index < 5000 && sent < 20 * 500 * 500; index += 1) {
    fetch()
    fetch = () => undefined
    await turn()
  }
  assert.equal(sent, 20 * 500 * 500)
  socket.destroy()
})
