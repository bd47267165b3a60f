// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readPairs, readVectors, unescaped } from './_vectors.ts'
import { buildFile } from './_world.ts'
import { AccessError } from './access-error.ts'
import { formatRule } from './describe.ts'
import { rulesOf } from './egress-entry.ts'
import { formatName, isFlaw, parseNamePattern } from './host-pattern.ts'
import { formatAddress, parseAddress } from './ip-address.ts'
import { normalisePath } from './normal-path.ts'

describe('an address', () => {
  for (const [text, expected] of readPairs('address.valid.txt')) {
    it(`${text} is ${expected}`, () => {
      const address = parseAddress(text)
      assert.equal(address && formatAddress(address), expected)
    })
  }
  for (const line of readVectors('address.invalid.txt')) {
    it(`is not ${JSON.stringify(line)}`, () => assert.equal(parseAddress(unescaped(line)), null))
  }
})

describe('a host of a rule', () => {
  for (const [text, expected] of readPairs('host.valid.txt')) {
    it(`${text} is ${expected}`, () => {
      const pattern = parseNamePattern(text)
      assert.equal(isFlaw(pattern) ? pattern.message : formatName(pattern), expected)
    })
  }
  for (const line of readVectors('host.invalid.txt')) {
    it(`is not ${JSON.stringify(line)}`, () => assert.ok(isFlaw(parseNamePattern(unescaped(line)))))
  }
})

describe('the path of a request', () => {
  for (const [text, expected] of readPairs('path.valid.txt')) {
    it(`${text} is ${expected}`, () => {
      const result = normalisePath(text)
      assert.equal(result.ok ? result.path.text + result.path.query : result.refusal.reason, expected)
    })
  }
  for (const line of readVectors('path.invalid.txt')) {
    it(`is not ${JSON.stringify(line)}`, () => {
      const result = normalisePath(unescaped(line))
      assert.equal(result.ok ? 'taken' : result.refusal.code, 'malformed')
    })
  }
})

describe('an item of an egress list', () => {
  for (const line of readVectors('rule.valid.txt')) {
    const [item = '', expected] = line.split('\t')
    it(`${item} is ${expected}`, async () => {
      const rules = rulesOf((await buildFile(item)).jobs[0]?.egress ?? [])
      assert.equal(rules.map(formatRule).join(' + '), expected)
    })
  }
  for (const line of readVectors('rule.invalid.txt')) {
    it(`is not ${JSON.stringify(line)}`, async () => {
      const error = await buildFile(line).then(
        () => null,
        (thrown: unknown) => thrown,
      )
      assert.ok(error instanceof AccessError && error.code === 'ACCESS_INVALID', String(error))
      for (const { at } of error.problems) assert.ok(at.file === 'sallyport.yml' && at.line >= 1 && at.column >= 1)
    })
  }
})
