// SPDX-License-Identifier: Apache-2.0
export type {
  GcOptions,
  GcResult,
  ImageConfig,
  ImageStore,
  ImageStoreOptions,
  ImageUse,
  ImageVerification,
  PullOptions,
  RegistryCredentials,
  StoredImage,
} from './contract.ts'
export { openImageStore } from './image-store.ts'
export { ImagesError, type ImagesErrorCode, type RefusalReason } from './images-error.ts'
export { type BuiltImage, buildMinimalImage, EPOCH_DEFAULT, type MinimalImage } from './minimal/build-minimal.ts'
export { type ImageReference, parseReference } from './reference/reference.ts'
export { openStateImages } from './state-images.ts'
