// SPDX-License-Identifier: Apache-2.0
import { OPERATOR_IMAGES_DEFAULT, type OperatorImages } from '@sallyport/access'
import { quote } from '@sallyport/core'
import type { StoredImage } from '@sallyport/images'
import { loadOperator } from '../access/load-operator.ts'
import { AgentError } from '../agent-error.ts'
import type { ImageCommands, ImagePull, OwnRegistries } from './contract.ts'
import { assertWithinCeiling, readAuthorities } from './operator-registries.ts'

export const imageCommands: ImageCommands = { pull }

async function pull(stateDirectory: string, { reference, operatorFile, registries, ...options }: ImagePull): Promise<StoredImage> {
  const operator = await loadOperator(operatorFile)
  const images = operator?.images ?? OPERATOR_IMAGES_DEFAULT
  if (operator !== null) assertNotWeaker(registries, images)
  const { openStateImages, parseReference } = await import('@sallyport/images')
  const defaultRegistry = registries.defaultRegistry ?? images.defaultRegistry ?? undefined
  const parsed = parseReference(reference, defaultRegistry)
  // What the operator's labels name is the operator's own word; a place on this machine is read with the rights of whoever names it.
  if (parsed.kind === 'registry' && !Object.values(images.labels).includes(reference))
    assertWithinCeiling(images, `${parsed.registry}/${parsed.repository}`, 'bring')
  const store = openStateImages(stateDirectory, {
    ...(defaultRegistry === undefined ? {} : { defaultRegistry }),
    authorities: { ...registries.authorities, ...readAuthorities(images) },
    dangerouslyWithoutTls: [...registries.dangerouslyWithoutTls, ...images.dangerouslyWithoutTls],
  })
  return await store.pull(reference, options)
}

/** What is stored is shared by all jobs: whom it is believed from is the operator's to say, once there is an operator's file. */
function assertNotWeaker({ authorities, dangerouslyWithoutTls }: OwnRegistries, operator: OperatorImages): void {
  const [authority] = Object.keys(authorities)
  if (authority !== undefined) throw operatorsWord('--authority', authority, 'authorities')
  const bare = dangerouslyWithoutTls.find((registry) => !operator.dangerouslyWithoutTls.includes(registry))
  if (bare !== undefined) throw operatorsWord('--dangerously-without-tls', bare, 'dangerouslyWithoutTls')
}

function operatorsWord(option: string, registry: string, key: string): AgentError {
  return new AgentError(
    'IMAGE_NOT_ALLOWED',
    `Cannot take ${option} ${quote(registry)}: how registries are spoken to is the operator's word here`,
    {
      hint: `Write it under registries.${key} of the operator's file`,
    },
  )
}
