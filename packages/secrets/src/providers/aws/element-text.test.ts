// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { elementText } from './element-text.ts'

describe('the text of an element', () => {
  it('is found where it stands once', () => {
    assert.equal(elementText('<A><Code>\n AccessDenied </Code><Codes>no</Codes></A>', 'Code'), 'AccessDenied')
  })

  for (const [what, xml] of [
    ['stands twice', '<Code>a</Code><Code>b</Code>'],
    ['is not there', '<Codes>a</Codes>'],
    ['has markup in it', '<Code>a<b/></Code>'],
    ['has an entity in it', '<Code>&lt;Code&gt;</Code>'],
    ['is not closed', '<Code>a'],
    ['has attributes', '<Code x="y">a</Code>'],
    ['is in a section of characters', '<Code><![CDATA[a]]></Code>'],
  ] as const) {
    it(`is none where it ${what}`, () => assert.equal(elementText(xml, 'Code'), null))
  }
})
