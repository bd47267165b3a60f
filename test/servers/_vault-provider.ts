// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import { openProvider, type SecretProvider, type SettingsTree } from '@sallyport/secrets'
import type { OpenBao } from './_openbao.ts'

export async function vaultProvider(bao: Pick<OpenBao, 'address' | 'authority'>, settings: SettingsTree): Promise<SecretProvider> {
  const all = { address: bao.address, ...(bao.authority !== null && { ca: bao.authority }), ...settings }
  return openProvider({ name: 'openbao', kind: 'vault', settings: all }, { nowMs: Date.now, readFile: async (path) => readFile(path) })
}
