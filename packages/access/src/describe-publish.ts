// SPDX-License-Identifier: Apache-2.0
import { printable } from '@sallyport/core'
import { describeAddress, whenTexts } from './describe-grant.ts'
import type { PublishEntry, PublishTarget } from './publish-contract.ts'
import type { SecretDeclaration } from './secret-contract.ts'

/** As it is asked for. */
export function formatPublishTarget({ protocol, host, port, path, tag }: PublishTarget): string {
  return `${protocol}://${host}${port === 443 ? '' : `:${port}`}${path.text}${path.query}${tag === null ? '' : `:${tag}`}`
}

/** What somebody approves: `publish dist/app.tgz as package to PUT https://…, with secret TOKEN from … in header authorization`. */
export function describePublish(
  { name, at, path, to, method, credential, when }: PublishEntry,
  declared: readonly SecretDeclaration[],
): { readonly text: string; readonly rule: string } {
  const declaration = declared.find((each) => each.name === credential?.secret)
  const parts = [
    `publish ${path} as ${name}: ${to.tag === null ? method : 'push'} ${formatPublishTarget(to)}`,
    ...(credential === null || declaration === undefined
      ? ['without a secret']
      : [
          `with secret ${credential.secret} from ${describeAddress(declaration)}${credential.place === null ? '' : ` in header ${credential.place.header}`}`,
        ]),
    ...whenTexts(when),
  ]
  return { text: printable(parts.join(', ')), rule: `${at.file}:${at.line}` }
}
