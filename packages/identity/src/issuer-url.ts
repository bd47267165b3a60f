// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import { IdentityError } from './identity-error.ts'

/** AWS takes no longer one. */
const LENGTH_MAX = 255
const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

/** Verifiers compare it as text: there is one way to write it. @throws IdentityError IDENTITY_ISSUER */
export function parseIssuer(text: string): string {
  const flaw = flawOf(text)
  if (flaw === null) return text
  throw new IdentityError('IDENTITY_ISSUER', `Cannot issue tokens as ${quote(text)}: ${flaw}`, {
    hint: 'Write the URL under which verifiers find the keys, e.g. https://ci.example.test',
  })
}

function flawOf(text: string): string | null {
  if (text.length > LENGTH_MAX) return `it has more than ${LENGTH_MAX} characters`
  if (!URL.canParse(text)) return 'it is no URL'
  const url = new URL(text)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.includes(url.hostname))) return 'it is not https'
  const written = `${url.origin}${url.pathname === '/' ? '' : url.pathname}`
  if (text !== written || text.endsWith('/')) return `it has to be written ${quote(written.replace(/\/+$/, ''))}`
  return null
}
