// SPDX-License-Identifier: Apache-2.0
// Types of browsers that the declarations of age-encryption name, and Node has no global for.
import type { webcrypto } from 'node:crypto'

declare global {
  interface CryptoKey extends webcrypto.CryptoKey {}
  type AuthenticationExtensionsPRFValues = never
}
