// SPDX-License-Identifier: Apache-2.0
// Files of a trail: a JSON document with `Records` each, gzipped by the service and here already plain. What a record holds is published at
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html and, of whoever asked, at
// …/cloudtrail-event-reference-user-identity.html; those of Secrets Manager at
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html.
import { isJsonObject, type JsonObject, parseJson } from '../providers/json.ts'
import type { ManagerEntry, ManagerLogReader, ManagerRead } from './manager-log.ts'

export interface CloudTrailOptions {
  readonly region: string
  /** ARN of the role that jobs assume. */
  readonly role: string
}

/** A file holds five minutes; the service writes them of some MiB. */
const FILE_BYTES_MAX = 64 * 2 ** 20
const TEXT_LENGTH_MAX = 2048

export class CloudTrailReader implements ManagerLogReader {
  readonly #options: CloudTrailOptions
  #chunks: Uint8Array[] = []
  #bytes = 0

  constructor(options: CloudTrailOptions) {
    this.#options = options
  }

  /** A document is read as a whole, at its end. */
  read(chunk: Uint8Array): readonly ManagerEntry[] {
    this.#bytes += chunk.length
    if (this.#bytes <= FILE_BYTES_MAX) this.#chunks.push(chunk)
    return []
  }

  *endFile(): Generator<ManagerEntry> {
    const [chunks, bytes] = [this.#chunks, this.#bytes]
    this.#chunks = []
    this.#bytes = 0
    const records = bytes > FILE_BYTES_MAX ? null : recordsOf(Buffer.concat(chunks))
    if (records === null) return yield { kind: 'unreadable', line: 1, why: 'it is no file of CloudTrail, or a larger one than any' }
    for (const [index, record] of records.entries()) yield this.#entry(record, index + 1)
  }

  #entry(record: unknown, line: number): ManagerEntry {
    const atMs = isJsonObject(record) ? Date.parse(textOf(record['eventTime'])) : Number.NaN
    if (!isJsonObject(record) || Number.isNaN(atMs)) return { kind: 'unreadable', line, why: 'it is no record of CloudTrail' }
    const isRefused = record['errorCode'] !== undefined && record['errorCode'] !== null
    const read = isRefused ? null : this.#readOf(record, atMs)
    return read === null ? { kind: 'other', line, atMs } : { kind: 'read', line, read }
  }

  #readOf(record: JsonObject, atMs: number): ManagerRead | null {
    const [source, operation] = [textOf(record['eventSource']), textOf(record['eventName'])]
    const login = source === 'sts.amazonaws.com' ? this.#loginOf(record, operation) : null
    const paths =
      source === 'secretsmanager.amazonaws.com' && record['awsRegion'] === this.#options.region ? pathsOf(record, operation) : null
    if (login === null && paths === null) return null
    const identity = objectOf(record['userIdentity'])
    const issuer = objectOf(objectOf(identity['sessionContext'])['sessionIssuer'])
    return {
      atMs,
      id: textOf(record['eventID']),
      operation,
      paths: paths ?? [this.#options.role],
      mark: login ?? textOf(identity['accessKeyId']),
      who: textOf(issuer['arn']) || textOf(identity['arn']) || null,
      name: textOf(identity['arn']) || textOf(identity['userName']) || textOf(identity['principalId']),
      from: textOf(record['sourceIPAddress']),
      isLogin: login !== null,
    }
  }

  /** The access key id that was handed out for the role. */
  #loginOf({ requestParameters, responseElements }: JsonObject, operation: string): string | null {
    if (operation !== 'AssumeRoleWithWebIdentity' && operation !== 'AssumeRole') return null
    if (objectOf(requestParameters)['roleArn'] !== this.#options.role) return null
    return textOf(objectOf(objectOf(responseElements)['credentials'])['accessKeyId'])
  }
}

function recordsOf(bytes: Uint8Array): readonly unknown[] | null {
  try {
    const parsed = parseJson(bytes)
    const records = isJsonObject(parsed) ? parsed['Records'] : null
    return Array.isArray(records) ? records : null
  } catch {
    // Neither UTF-8 nor JSON: told as unreadable
    return null
  }
}

/** Null for what hands out no value. Of a batch by filters the log does not say which secrets: it may be any of them. */
function pathsOf({ requestParameters }: JsonObject, operation: string): readonly string[] | null {
  const { secretId, secretIdList } = objectOf(requestParameters)
  if (operation === 'GetSecretValue') return namesOfSecret(textOf(secretId))
  if (operation !== 'BatchGetSecretValue') return null
  return Array.isArray(secretIdList) ? secretIdList.flatMap((each) => namesOfSecret(textOf(each))) : [ANY_SECRET]
}

/** No secret is called so. */
export const ANY_SECRET = '*'

/** A name and an ARN stand for the same secret; six characters at the end of an ARN are appended by AWS, if they are there. */
export function namesOfSecret(path: string): readonly string[] {
  const [, name] = /^arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:(.+)$/.exec(path) ?? []
  if (name === undefined) return [path]
  return [...new Set([path, name, name.replace(/-[A-Za-z0-9]{6}$/, '')])]
}

const objectOf = (value: unknown): JsonObject => (isJsonObject(value) ? value : {})

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, TEXT_LENGTH_MAX) : ''
}
