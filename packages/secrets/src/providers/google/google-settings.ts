// SPDX-License-Identifier: Apache-2.0
import type { ProviderDescription } from '../../contract.ts'
import { SettingsReader } from '../../settings-reader.ts'
import { checkAudience, readDurationMs, readEndpoint } from '../cloud/cloud-settings.ts'

export interface GoogleSettings {
  readonly name: string
  /** Of secrets that are named without theirs; null: none. */
  readonly project: string | null
  /** Of regional secrets; null: they are global. */
  readonly location: string | null
  /** The full name of a provider in a workload identity pool. */
  readonly audience: string
  /** As whom jobs read; null: as themselves, which their pool's principals have to be granted. */
  readonly serviceAccount: string | null
  readonly secretManager: string
  readonly sts: string
  readonly iamCredentials: string
  /** What a token lives at most; a longer one is refused. */
  readonly livesOnMs: number
  /** A file. */
  readonly ca: string | null
}

const PROJECT = { pattern: /^[a-z0-9][a-z0-9.:-]{0,62}$/, what: 'a project: its ID or number' }
const LOCATION = { pattern: /^[a-z]+-[a-z]+[0-9]{1,2}$/, what: 'a location, such as europe-west3' }
const AUDIENCE = {
  pattern:
    /^\/\/iam\.googleapis\.com\/projects\/[0-9]{1,20}\/locations\/global\/workloadIdentityPools\/[a-z0-9-]{4,32}\/providers\/[a-z0-9-]{4,32}$/,
  what: 'the name of a provider: //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER',
}
const SERVICE_ACCOUNT = { pattern: /^[a-z0-9-]{1,63}@[a-z0-9.-]{1,128}\.gserviceaccount\.com$/, what: "a service account's address" }
const LIVES_ON = { min: '5m', max: '12h', usual: '1h' }

/** @throws SecretsError PROVIDER_CONFIG_INVALID */
export function parseGoogleSettings({ name, settings }: ProviderDescription): GoogleSettings {
  const reader = new SettingsReader(name, settings)
  const location = reader.optionalText('location', LOCATION)
  const endpoints = reader.optionalSection('endpoints')
  const endpoint = (key: string, usual: string): string => (endpoints && readEndpoint(endpoints, key)) ?? `https://${usual}.googleapis.com`
  const parsed: GoogleSettings = {
    name,
    project: reader.optionalText('project', PROJECT),
    location,
    ...parseAuth(reader.section('auth')),
    secretManager: endpoint('secretmanager', location === null ? 'secretmanager' : `secretmanager.${location}.rep`),
    sts: endpoint('sts', 'sts'),
    iamCredentials: endpoint('iamcredentials', 'iamcredentials'),
    livesOnMs: readDurationMs(reader, 'lives-on', LIVES_ON),
    ca: reader.optionalText('ca'),
  }
  checkAudience(reader, true)
  endpoints?.finish()
  reader.finish()
  return parsed
}

function parseAuth(reader: SettingsReader): Pick<GoogleSettings, 'audience' | 'serviceAccount'> {
  reader.choice('method', ['job-token'])
  const auth = {
    audience: reader.optionalText('audience', AUDIENCE) ?? reader.text('audience'),
    serviceAccount: reader.optionalText('service-account', SERVICE_ACCOUNT),
  }
  reader.finish()
  return auth
}
