// SPDX-License-Identifier: Apache-2.0
export { SignerClient } from './client.ts'
export { type PublicState, readPublicState } from './public-state.ts'
export { startSigner } from './signer.spawn.ts'
export { SignerError, type SignerErrorCode } from './signer-error.ts'
