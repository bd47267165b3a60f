// SPDX-License-Identifier: Apache-2.0
// The one file that knows every provider. Each is loaded when the operator's file names it.
import { quote } from '@sallyport/core'
import type { ProviderDescription, ProviderKind, ProviderPorts, SecretProvider } from '../contract.ts'
import { SecretsError } from '../secrets-error.ts'

type Make = (description: ProviderDescription, ports: ProviderPorts) => SecretProvider

const made =
  (Provider: new (...parts: Parameters<Make>) => SecretProvider): Make =>
  (description, ports) =>
    new Provider(description, ports)

const makers: Readonly<Partial<Record<ProviderKind, () => Promise<Make>>>> = {
  embedded: async () => (await import('./embedded-provider.ts')).embeddedProvider,
  aws: async () => made((await import('./aws/aws-provider.ts')).AwsProvider),
  azure: async () => made((await import('./azure/azure-provider.ts')).AzureProvider),
  google: async () => made((await import('./google/google-provider.ts')).GoogleProvider),
  vault: async () => made((await import('./vault/vault-provider.ts')).VaultProvider),
}

/** Nothing is asked yet. @throws SecretsError PROVIDER_CONFIG_INVALID */
export async function openProvider(description: ProviderDescription, ports: ProviderPorts): Promise<SecretProvider> {
  const { name, kind } = description
  const load = Object.hasOwn(makers, kind) ? makers[kind] : undefined
  if (load === undefined)
    throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot use the provider ${quote(name)}: there is none of the kind ${quote(kind)}`, {
      hint: 'Write kind: vault, aws, azure or google',
    })
  return (await load())(description, ports)
}
