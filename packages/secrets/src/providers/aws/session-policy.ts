// SPDX-License-Identifier: Apache-2.0
import type { SecretAddress } from '../../contract.ts'
import { notFound } from '../cloud/stored-value.ts'
import type { AwsSettings } from './aws-settings.ts'

/** What a secret is called here: its name, or its ARN with or without the six characters that AWS appends. */
export interface SecretName {
  readonly path: string
  /** Null of a name. */
  readonly region: string | null
}

const NAME = /^[A-Za-z0-9/_+=.@-]{1,519}$/
const ARN = /^arn:aws[a-z-]{0,16}:secretsmanager:([a-z0-9-]{1,32}):[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}$/

/** Nothing of it could widen a policy. @throws SecretsError SECRET_NOT_FOUND for what no secret is called */
export function secretNameOf(address: SecretAddress): SecretName {
  const { path } = address
  const [, region] = ARN.exec(path) ?? []
  if (region !== undefined) return { path, region }
  if (NAME.test(path)) return { path, region: null }
  throw notFound(address, 'no secret of AWS has such a name')
}

/**
 * What a session may do at most, whatever its role may: read this one secret. A session's permissions are those that its role and this policy both give.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
 */
export function sessionPolicy(secret: SecretName, settings: AwsSettings): string {
  return policyOf(secret, settings, { actions: 'secretsmanager:GetSecretValue', keyActions: 'kms:Decrypt' })
}

/** To replace the value of this one secret. */
export function rotationPolicy(secret: SecretName, settings: AwsSettings): string {
  const actions = ['GetSecretValue', 'DescribeSecret', 'ListSecretVersionIds', 'RotateSecret', 'PutSecretValue']
  return policyOf(secret, settings, {
    actions: actions.map((action) => `secretsmanager:${action}`),
    keyActions: ['kms:Decrypt', 'kms:GenerateDataKey'],
  })
}

function policyOf(
  { path, region: own }: SecretName,
  { region, partition }: AwsSettings,
  { actions, keyActions }: { actions: string | readonly string[]; keyActions: string | readonly string[] },
): string {
  const arn = own === null ? `arn:${partition}:secretsmanager:${region}:*:secret:${path}` : path
  // Six characters are appended to each name; of an ARN they may be there already
  const resources = own === null ? [`${arn}-??????`] : [arn, `${arn}-??????`]
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: actions, Resource: resources },
      {
        Effect: 'Allow',
        Action: keyActions,
        Resource: '*',
        Condition: {
          StringEquals: { 'kms:ViaService': `secretsmanager.${region}.amazonaws.com${partition === 'aws-cn' ? '.cn' : ''}` },
          StringLike: { 'kms:EncryptionContext:SecretARN': resources },
        },
      },
    ],
  })
}

/** Of a step in a chain: to assume the next role. */
export function chainPolicy(role: string): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Resource: role }] })
}
