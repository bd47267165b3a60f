// SPDX-License-Identifier: Apache-2.0
import type { AwsSettings } from './aws-settings.ts'

/** What a secret is called here: its name, or its ARN with or without the six characters that AWS appends. */
export interface SecretName {
  readonly path: string
  /** Null of a name. */
  readonly region: string | null
}

const NAME = /^[A-Za-z0-9/_+=.@-]{1,519}$/
const ARN = /^arn:aws[a-z-]{0,16}:secretsmanager:([a-z0-9-]{1,32}):[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}$/

/** Null for what no secret is called: nothing of it could widen a policy. */
export function parseSecretName(path: string): SecretName | null {
  const [, region] = ARN.exec(path) ?? []
  if (region !== undefined) return { path, region }
  return NAME.test(path) ? { path, region: null } : null
}

/**
 * What a session may do at most, whatever its role may: read this one secret. A session's permissions are those that its role and this policy both give.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
 */
export function sessionPolicy({ path, region: own }: SecretName, { region, partition }: AwsSettings): string {
  const arn = own === null ? `arn:${partition}:secretsmanager:${region}:*:secret:${path}` : path
  // Six characters are appended to each name; of an ARN they may be there already
  const resources = own === null ? [`${arn}-??????`] : [arn, `${arn}-??????`]
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: resources },
      {
        Effect: 'Allow',
        Action: 'kms:Decrypt',
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
