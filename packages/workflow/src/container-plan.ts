// SPDX-License-Identifier: Apache-2.0
import type { Findings } from './findings.ts'
import type { ContainerPlan, TemplateNode } from './plan.ts'
import { fieldOrRefuse } from './refusals.ts'
import { field, literalText, namedEntries } from './template-nodes.ts'

/** Keys of `container` that GitHub knows and Sallyport refuses, each with what to do instead. */
const REFUSED: Readonly<Record<string, { readonly message: string; readonly instead: string }>> = {
  options: {
    message: 'options of docker create (container.options) are not supported',
    instead: 'remove the key; limits are set with --limit or in sallyport.yml',
  },
  ports: { message: 'published ports (container.ports) are not supported', instead: 'remove the key: nothing reaches a job from outside' },
  volumes: { message: 'volumes (container.volumes) are not supported', instead: 'remove the key: nothing of this host is in a job' },
}

/** `container:` of a job: an image, or a mapping with one; null where there is none. */
export function toContainer(node: TemplateNode | null, findings: Findings): ContainerPlan | null {
  if (node === null || literalText(node) === '') return null
  if (node.kind !== 'mapping') return { image: node, env: null, credentials: null, at: node.at }
  for (const { name, keyAt } of namedEntries(node)) {
    const refusal = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined
    if (refusal !== undefined) findings.unsupported(keyAt, refusal.message, refusal.instead)
  }
  const image = field(node, 'image')
  if (image === null) {
    findings.invalid(node.at, 'the container has no image', 'add image:')
    return null
  }
  return { image, env: field(node, 'env'), credentials: toCredentials(node, findings), at: node.at }
}

function toCredentials(container: TemplateNode, findings: Findings): ContainerPlan['credentials'] {
  const node = fieldOrRefuse(container, 'credentials', findings)
  if (node === null || node.kind === 'expression') return null
  const username = field(node, 'username')
  const password = field(node, 'password')
  if (username !== null && password !== null) return { username, password }
  findings.invalid(node.at, 'credentials of a container are a username and a password', 'write both, from secrets')
  return null
}
