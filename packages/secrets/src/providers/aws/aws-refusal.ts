// SPDX-License-Identifier: Apache-2.0
// What the error codes of Secrets Manager and STS mean, and those that are common to all of AWS.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html#API_GetSecretValue_Errors
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html#API_AssumeRoleWithWebIdentity_Errors
import { type CloudReply, parseObject, type Refusal, refusalOfStatus } from '../cloud/cloud-client.ts'
import { elementText } from './element-text.ts'

interface AwsError {
  /** Without its namespace. */
  readonly code: string
  /** For decisions, never for a message. */
  readonly text: string
}

const LOGIN = { code: 'PROVIDER_LOGIN_REFUSED' } as const
const CONFIG = { code: 'PROVIDER_CONFIG_INVALID' } as const
const FAILED = { code: 'PROVIDER_FAILED' } as const
const TOO_OFTEN: Refusal = { code: 'PROVIDER_RATE_LIMITED', why: 'it is asked too often', isTransient: true }
const SIGNATURE: Refusal = {
  ...LOGIN,
  why: 'our signature is none of this key',
  hint: 'Look whether the secret access key belongs to the access key ID',
}
const UNKNOWN_KEY: Refusal = {
  ...LOGIN,
  why: 'it does not know our access key',
  hint: 'It may have been deleted, or be of another partition',
}
const DENIED: Refusal = { code: 'PROVIDER_DENIED', why: 'its policies do not allow it' }
const ENDED: Refusal = {
  ...LOGIN,
  why: 'our credential has expired',
  hint: 'A token of the job must be fresh when a session is made with it',
}

const MEANINGS: Readonly<Record<string, Refusal>> = {
  AccessDenied: DENIED,
  AccessDeniedException: DENIED,
  ResourceNotFoundException: { code: 'SECRET_NOT_FOUND', why: 'there is nothing' },
  DecryptionFailure: { ...FAILED, why: 'its key does not decrypt it', hint: "Look at the secret's KMS key, and at its policy" },
  Throttling: TOO_OFTEN,
  ThrottlingException: TOO_OFTEN,
  ThrottledException: TOO_OFTEN,
  TooManyRequestsException: TOO_OFTEN,
  RequestLimitExceeded: TOO_OFTEN,
  LimitExceededException: TOO_OFTEN,
  ExpiredToken: ENDED,
  ExpiredTokenException: ENDED,
  UnrecognizedClientException: UNKNOWN_KEY,
  InvalidClientTokenId: UNKNOWN_KEY,
  InvalidAccessKeyId: UNKNOWN_KEY,
  MissingAuthenticationToken: UNKNOWN_KEY,
  MissingAuthenticationTokenException: UNKNOWN_KEY,
  SignatureDoesNotMatch: SIGNATURE,
  InvalidSignatureException: SIGNATURE,
  IncompleteSignature: SIGNATURE,
  IncompleteSignatureException: SIGNATURE,
  InvalidIdentityToken: {
    ...LOGIN,
    why: "it does not take the job's token",
    hint: 'Look whether IAM has our issuer as an identity provider, with this audience and its present keys',
  },
  IDPRejectedClaim: { ...LOGIN, why: "it does not take the job's token: a claim is wrong, or it has expired" },
  IDPCommunicationError: { ...FAILED, why: 'it cannot reach our issuer for its keys', isTransient: true },
  RegionDisabledException: {
    ...CONFIG,
    why: 'STS is not activated in this region',
    hint: "Activate it in the account's settings, or name another one",
  },
  MalformedPolicyDocument: { ...FAILED, why: 'it does not take the session policy' },
  PackedPolicyTooLarge: { ...FAILED, why: 'the session policy is too large for it' },
  InternalFailure: { ...FAILED, why: 'it failed', isTransient: true },
  InternalServiceError: { ...FAILED, why: 'it failed', isTransient: true },
  ServiceUnavailable: { ...FAILED, why: 'it cannot serve now', isTransient: true },
}

/** Of Secrets Manager. */
export function explainJson(nowMs: () => number, hasVersion: boolean): (reply: CloudReply) => Refusal {
  return (reply) => {
    const error = jsonError(reply)
    const meant = meaningOf(error, reply, nowMs)
    if (error.code === 'InvalidRequestException' && /marked (?:for deletion|as deleted)|scheduled for deletion|deleted/i.test(error.text))
      return { code: 'SECRET_NOT_FOUND', why: 'it is marked for deletion' }
    // One code stands for both
    if (meant.code === 'SECRET_NOT_FOUND' && hasVersion)
      return { code: 'SECRET_VERSION_NOT_FOUND', why: 'there is no such secret, or no such version of it' }
    return meant
  }
}

/** Of STS: what is denied there is the login. */
export function explainXml(nowMs: () => number): (reply: CloudReply) => Refusal {
  return (reply) => {
    const xml = new TextDecoder().decode(reply.body)
    const error = { code: elementText(xml, 'Code') ?? '', text: xml.slice(0, 8192) }
    if (/MaxSessionDuration/.test(error.text))
      return { ...CONFIG, why: 'the session is longer than the role allows', hint: 'Shorten session, or raise the maximum of the role' }
    const meant = meaningOf(error, reply, nowMs)
    if (meant.code !== 'PROVIDER_DENIED') return meant
    return { ...LOGIN, why: 'we may not assume the role', hint: "Look at the role's trust policy: its principal, audience and subject" }
  }
}

function jsonError({ body, headers }: CloudReply): AwsError {
  const parsed = parseObject(body)
  const type = parsed?.['__type'] ?? headers['x-amzn-errortype']
  const text = parsed?.['message'] ?? parsed?.['Message']
  // `com.amazonaws.secretsmanager#ResourceNotFoundException`, or with `:http://…` behind
  const code = typeof type === 'string' ? (type.split('#').at(-1)?.split(':', 1)[0] ?? '') : ''
  return { code, text: typeof text === 'string' ? text.slice(0, 8192) : '' }
}

function meaningOf({ code, text }: AwsError, { status, headers }: CloudReply, nowMs: () => number): Refusal {
  if (/not yet current|Signature expired/.test(text) || /^RequestExpired|^RequestTimeTooSkewed/.test(code))
    return clocksDiffer(headers, nowMs())
  if (/scoped to (?:a valid|correct) (?:region|service)/.test(text))
    return { ...CONFIG, why: 'it serves another region', hint: 'Look whether region and endpoints belong together' }
  return (Object.hasOwn(MEANINGS, code) ? MEANINGS[code] : undefined) ?? refusalOfStatus(status)
}

/** A signature holds the time: five minutes are too much. */
function clocksDiffer(headers: CloudReply['headers'], nowMs: number): Refusal {
  const { date } = headers
  const theirs = typeof date === 'string' ? Date.parse(date) : Number.NaN
  const apart = Number.isFinite(theirs)
    ? `its clock and ours are ${Math.round(Math.abs(theirs - nowMs) / 1000)} s apart`
    : 'its clock and ours differ'
  return { ...LOGIN, why: apart, hint: 'Set the clock of this machine (timedatectl)' }
}
