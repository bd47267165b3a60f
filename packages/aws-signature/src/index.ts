// SPDX-License-Identifier: Apache-2.0
export { type QueryPairs, queryPairs, queryText } from './canonical.ts'
export { ChunkChain, sha256Hex } from './chunk-chain.ts'
export { type Headers, type SignableRequest, scopeText, signature, signingKey } from './signature.ts'
export { parseAuthorization, parseCredential, type SignatureClaim } from './signature-claim.ts'
