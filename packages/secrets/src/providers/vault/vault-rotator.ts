// SPDX-License-Identifier: Apache-2.0
// What a server rotates itself, and what is written as a new version. https://openbao.org/api-docs/secret/databases/#rotate-static-role-credentials,
// https://openbao.org/api-docs/secret/kv/kv-v2/
import { quote } from '@sallyport/core'
import type { Replacement, RotationCall, SecretAddress, SecretRotator, VersionFacts } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import type { BrokerToken } from './broker-token.ts'
import { nonsense } from './vault-answer.ts'
import { VaultRefusal } from './vault-client.ts'
import { encodePath, mountOf, segmentsOf } from './vault-route.ts'
import type { VaultMount, VaultSettings } from './vault-settings.ts'

interface Place {
  readonly what: string
  readonly mount: VaultMount
  /** Below the mount. */
  readonly below: readonly string[]
}

/** Static roles of database engines, and KV version 2. */
export class VaultRotator implements SecretRotator {
  readonly #settings: VaultSettings
  readonly #broker: BrokerToken

  constructor(settings: VaultSettings, broker: BrokerToken) {
    this.#settings = settings
    this.#broker = broker
  }

  look(address: SecretAddress, call: RotationCall): Promise<VersionFacts> {
    const place = this.#place(address)
    return place.mount.engine === 'kv' ? this.#lookAtEntry(place, call) : this.#lookAtRole(place, call)
  }

  /** The server does all of it within the answer. It knows no `id`: whoever asks again looks first whether it was done. */
  async rotate(address: SecretAddress, _id: string, call: RotationCall): Promise<void> {
    const { what, mount, below } = this.#place(address)
    if (mount.engine === 'kv') throw new TypeError('an entry of KV rotates nothing by itself')
    const path = `${mount.path}/rotate-role/${encodePath(below.slice(1))}`
    await this.#broker.ask({ what, method: 'POST', path, body: {}, isRepeatable: false, signal: call.signal })
  }

  async replace(address: SecretAddress, { old, value }: Replacement, call: RotationCall): Promise<string> {
    const place = this.#place(address)
    if (place.mount.engine !== 'kv') throw new TypeError('a static role makes its values itself')
    const { data, version } = await this.#readEntry(place, call)
    const field = fieldOf(address, data)
    const current = data[field]
    const [before, after] = [textOf(old, address), textOf(value, address)]
    if (current === after) return String(version)
    if (current !== before) throw changedMeanwhile(address)
    const body = { data: { ...data, [field]: after }, options: { cas: version } }
    return this.#writeEntry(place, address, body, call)
  }

  async #lookAtRole({ what, mount, below }: Place, call: RotationCall): Promise<VersionFacts> {
    const path = `${mount.path}/static-roles/${encodePath(below.slice(1))}`
    const data = await this.#ask(what, path, call)
    const rotated = data['last_vault_rotation']
    if (typeof rotated !== 'string' || Number.isNaN(Date.parse(rotated))) throw nonsense(what, 'no time of a rotation')
    return { version: rotated, createdAtMs: Date.parse(rotated), way: 'native', isRotating: false }
  }

  async #lookAtEntry({ what, mount, below }: Place, call: RotationCall): Promise<VersionFacts> {
    const data = await this.#ask(what, `${mount.path}/metadata/${encodePath(below)}`, call)
    const { current_version: current, versions } = data
    const version = isJsonObject(versions) ? versions[String(current)] : undefined
    const created = isJsonObject(version) ? version['created_time'] : undefined
    if (typeof current !== 'number' || typeof created !== 'string' || Number.isNaN(Date.parse(created)))
      throw nonsense(what, 'no version of KV')
    return { version: String(current), createdAtMs: Date.parse(created), way: 'write', isRotating: false }
  }

  async #readEntry({ what, mount, below }: Place, call: RotationCall): Promise<{ data: JsonObject; version: number }> {
    const { data, metadata } = await this.#ask(what, `${mount.path}/data/${encodePath(below)}`, call)
    const version = isJsonObject(metadata) ? metadata['version'] : undefined
    if (!isJsonObject(data) || typeof version !== 'number') throw nonsense(what, 'no version of KV')
    return { data, version }
  }

  /** Only where nobody has written meanwhile. */
  async #writeEntry({ what, mount, below }: Place, address: SecretAddress, body: JsonObject, call: RotationCall): Promise<string> {
    const path = `${mount.path}/data/${encodePath(below)}`
    try {
      const { answer } = await this.#broker.ask({ what, method: 'POST', path, body, isRepeatable: false, signal: call.signal })
      const data = answer.body['data']
      const version = isJsonObject(data) ? data['version'] : undefined
      if (typeof version !== 'number') throw nonsense(what, 'no version of KV')
      return String(version)
    } catch (error) {
      if (error instanceof VaultRefusal && error.status === 400 && error.says(/check-and-set/i)) throw changedMeanwhile(address)
      throw error
    }
  }

  async #ask(what: string, path: string, call: RotationCall): Promise<JsonObject> {
    const { answer, by } = await this.#broker.ask({ what, method: 'GET', path, body: null, isRepeatable: true, signal: call.signal })
    call.mark(by.accessor)
    const data = answer.body['data']
    if (!isJsonObject(data)) throw nonsense(what, 'no data')
    return data
  }

  /** @throws SecretsError ROTATION_FAILED for what is made on demand, or keeps no versions */
  #place(address: SecretAddress): Place {
    const mount = mountOf(address, this.#settings.mounts)
    const below = segmentsOf(address).slice(mount.path.split('/').length)
    const what = `rotate ${quote(address.path)} at ${quote(this.#settings.name)}`
    if ((mount.engine === 'kv' && mount.version === 2) || (mount.engine === 'database' && below.length > 1 && below[0] === 'static-creds'))
      return { what, mount, below }
    throw new SecretsError('ROTATION_FAILED', `Cannot ${what}: it is neither an entry of KV version 2 nor a static role of a database`, {
      hint: mount.engine === 'kv' ? 'KV version 1 keeps the newest value alone: move it to version 2' : 'What is made on demand needs none',
    })
  }
}

function fieldOf({ path, field }: SecretAddress, data: JsonObject): string {
  const names = Object.keys(data)
  const found = field ?? (names.length === 1 ? names[0] : undefined)
  if (found !== undefined && names.includes(found)) return found
  throw new SecretsError('SECRET_FIELD_MISSING', `Cannot tell which field of ${quote(path)} is to be rotated`, {
    hint: 'Write PATH#FIELD with one that it has',
  })
}

/** KV stores JSON, which has no bytes. @throws SecretsError ROTATION_FAILED */
function textOf(value: Uint8Array, { path }: SecretAddress): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value)
  } catch (error) {
    throw new SecretsError('ROTATION_FAILED', `Cannot write ${quote(path)}: its new value is no text`, { cause: error })
  }
}

function changedMeanwhile({ path }: SecretAddress): SecretsError {
  return new SecretsError('ROTATION_FAILED', `Cannot rotate ${quote(path)}: it was changed by somebody else meanwhile`, {
    hint: 'Look who did; give this rotation up with --abandon, which leaves what is there',
  })
}
