// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { dumpDataStart, parseDumpLine } from './dump-line.ts'

const parse = (line: string): string | null => {
  const dump = parseDumpLine(Buffer.from(line, 'latin1'), line.length)
  return dump === null ? null : Buffer.from(dump.bytes).toString('latin1')
}

test('the layouts of xxd, hexdump and od show their bytes', () => {
  assert.equal(parse('00000000: 6875 6e74 6572 3232 0a                   hunter22.'), 'hunter22\n')
  assert.equal(parse('00000000: 68 75 6e 74 65 72 32 32  hunter22'), 'hunter22')
  assert.equal(parse('0000000 7568 746e 7265 3232'), 'hunter22')
  assert.equal(parse('0000000    7568    746e    7265    3232'), 'hunter22')
  assert.equal(parse('00000000  68 75 6e 74 65 72 32 32  0a                       |hunter22.|'), 'hunter22\n')
  assert.equal(parse('0000000   h   u   n   t   e   r   2   2  \\n  \\0 377'), 'hunter22\n\0\xff')
  assert.equal(parse('0000000 150 165 156 164'), 'hunt')
  assert.equal(parse('0000000 072550 072156'), 'hunt')
})

test('data starts after an offset of seven or eight digits', () => {
  const start = (line: string): number => dumpDataStart(Buffer.from(line), line.length)
  assert.equal(start('0000010 68'), 7)
  assert.equal(start('00000010: 68'), 9)
  for (const line of ['', '000001 68', '000000010 68', '0000010', '000001g 68', ' 0000010 68', '0000010\t68'])
    assert.equal(start(line), -1, line)
})

test('other lines are none, however they begin', () => {
  for (const line of ['', '0000010', '0000010 ', 'deadbeef commit message', '20240601 zz', '0000010 68757', '0000010   hh  hh'])
    assert.equal(parse(line), null, line)
})

test('what follows the words of a line is not read', () => {
  assert.equal(parse('00000000: 6875 6e74  6875 6e74'), 'hunt')
  assert.equal(parse('0000000 7568 not hex'), 'hu')
})
