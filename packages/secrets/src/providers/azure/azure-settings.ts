// SPDX-License-Identifier: Apache-2.0
import type { ProviderDescription } from '../../contract.ts'
import { SettingsReader } from '../../settings-reader.ts'
import { checkAudience, readDurationMs, readEndpoint } from '../cloud/cloud-settings.ts'

export interface AzureSettings {
  readonly name: string
  readonly vault: string
  /** Of Entra ID, or of another cloud's. */
  readonly login: string
  readonly tenant: string
  readonly clientId: string
  /** Null: the job logs in as itself, with a token of our issuer as its assertion. Otherwise a file. */
  readonly clientSecret: string | null
  readonly scope: string
  /** What a token lives at most; a longer one is refused. */
  readonly livesOnMs: number
  /** A file. */
  readonly ca: string | null
}

const TENANT = { pattern: /^[A-Za-z0-9][A-Za-z0-9.-]{0,127}$/, what: 'a tenant: its ID, or a domain of its' }
const CLIENT_ID = { pattern: /^[A-Za-z0-9-]{1,64}$/, what: "an application's client ID" }
const SCOPE = { pattern: /^https:\/\/[a-z0-9.-]{1,128}\/\.default$/, what: 'a scope, such as https://vault.azure.net/.default' }
const LIVES_ON = { min: '1m', max: '24h', usual: '90m' }

/** @throws SecretsError PROVIDER_CONFIG_INVALID */
export function parseAzureSettings({ name, settings }: ProviderDescription): AzureSettings {
  const reader = new SettingsReader(name, settings)
  const parsed: AzureSettings = {
    name,
    vault: readEndpoint(reader, 'vault') ?? reader.text('vault'),
    login: readEndpoint(reader, 'login') ?? 'https://login.microsoftonline.com',
    ...parseAuth(reader.section('auth')),
    scope: reader.optionalText('scope', SCOPE) ?? 'https://vault.azure.net/.default',
    livesOnMs: readDurationMs(reader, 'lives-on', LIVES_ON),
    ca: reader.optionalText('ca'),
  }
  checkAudience(reader, parsed.clientSecret === null)
  reader.finish()
  return parsed
}

function parseAuth(reader: SettingsReader): Pick<AzureSettings, 'tenant' | 'clientId' | 'clientSecret'> {
  const method = reader.choice('method', ['job-token', 'client-secret'])
  const auth = {
    tenant: reader.optionalText('tenant', TENANT) ?? reader.text('tenant'),
    clientId: reader.optionalText('client-id', CLIENT_ID) ?? reader.text('client-id'),
    clientSecret: method === 'client-secret' ? reader.text('client-secret') : null,
  }
  reader.finish()
  return auth
}
