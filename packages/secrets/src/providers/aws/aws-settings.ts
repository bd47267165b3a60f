// SPDX-License-Identifier: Apache-2.0
import type { ProviderDescription } from '../../contract.ts'
import { SettingsReader } from '../../settings-reader.ts'
import { checkAudience, readDurationMs, readEndpoint } from '../cloud/cloud-settings.ts'

export interface AwsSettings {
  readonly name: string
  readonly region: string
  /** Of ARNs: `aws`, `aws-cn`, `aws-us-gov`. */
  readonly partition: string
  readonly auth: AwsAuth
  /** Of what a job's session assumes, and so how long that lives on. */
  readonly sessionMs: number
  readonly secretsManager: string
  readonly sts: string
  /** A file. */
  readonly ca: string | null
}

export type AwsAuth =
  /** The job logs in as itself, with a token of our issuer. */
  | { readonly method: 'job-token'; readonly role: string }
  /** With a key of the operator's, one role after the other. */
  | {
      readonly method: 'credentials-file'
      readonly credentials: string
      readonly profile: string
      readonly via: readonly string[]
      readonly role: string
      readonly externalId: string | null
    }

const REGION = { pattern: /^(?:cn|us-gov|[a-z]{2})-[a-z]+(?:-[a-z]+)?-[0-9]{1,2}$/, what: 'a region, such as eu-central-1' }
const ROLE = {
  pattern: /^arn:aws[a-z-]{0,16}:iam::[0-9]{12}:role\/[A-Za-z0-9+=,.@_/-]{1,512}$/,
  what: 'the ARN of a role: arn:aws:iam::123456789012:role/NAME',
}
const EXTERNAL_ID = { pattern: /^[A-Za-z0-9+=,.@:/_-]{2,1224}$/, what: 'an external ID' }
const PROFILE = { pattern: /^[A-Za-z0-9+=,.@_-]{1,64}$/, what: 'the name of a profile' }
/** The least that STS makes; and the most for a role that was assumed from another one, which is also enough for every other. */
const SESSION = { min: '15m', max: '1h', usual: '15m' }

/** @throws SecretsError PROVIDER_CONFIG_INVALID */
export function parseAwsSettings({ name, settings }: ProviderDescription): AwsSettings {
  const reader = new SettingsReader(name, settings)
  const region = reader.optionalText('region', REGION) ?? reader.text('region')
  const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  const endpoints = reader.optionalSection('endpoints')
  const endpoint = (key: string): string => (endpoints && readEndpoint(endpoints, key)) ?? `https://${key}.${region}.${suffix}`
  const parsed: AwsSettings = {
    name,
    region,
    partition: region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws',
    auth: parseAuth(reader.section('auth')),
    sessionMs: readDurationMs(reader, 'session', SESSION),
    secretsManager: endpoint('secretsmanager'),
    sts: endpoint('sts'),
    ca: reader.optionalText('ca'),
  }
  checkAudience(reader, parsed.auth.method === 'job-token')
  endpoints?.finish()
  reader.finish()
  return parsed
}

function parseAuth(reader: SettingsReader): AwsAuth {
  const method = reader.choice('method', ['job-token', 'credentials-file'])
  const role = reader.optionalText('role', ROLE) ?? reader.text('role')
  const auth: AwsAuth =
    method === 'job-token'
      ? { method, role }
      : {
          method,
          credentials: reader.text('credentials'),
          profile: reader.optionalText('profile', PROFILE) ?? 'default',
          via: parseVia(reader),
          role,
          externalId: reader.optionalText('external-id', EXTERNAL_ID),
        }
  reader.finish()
  return auth
}

function parseVia(reader: SettingsReader): readonly string[] {
  const via = reader.optionalList('via') ?? []
  if (via.length > 4 || !via.every((role) => ROLE.pattern.test(role)))
    throw reader.invalid('via', 'is no list of up to four roles', `Each has to be ${ROLE.what}`)
  return via
}
