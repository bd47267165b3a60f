// SPDX-License-Identifier: Apache-2.0
// The hook by which a job uses a secret that it never has: a placeholder, random and worthless, becomes the value at the gate, in the one place that the secret's rule names.
import { decideRequest, matchesName } from '@sallyport/access'
import { createSecretSet, type RedactionStream, type SecretSet } from '@sallyport/redaction'
import type { Substitution } from '../contract.ts'
import { type OpenStep, RefusedError } from '../ports.ts'
import { type PendingSigning, pendingSigning } from './aws/aws-signing.ts'
import type { BodyStage } from './body-pump.ts'
import type { Destination } from './destination.ts'
import { EchoStage } from './echo-stage.ts'
import type { RequestHead } from './exchange-sides.ts'
import { type HeaderField, type HeaderFields, hasField, valuesOf, withoutFields } from './header-fields.ts'
import type { ParsedRequest } from './read-request.ts'
import { type BodyType, type Replaced, replaceInBody, replaceInFieldValue, replaceInQuery } from './replace-placeholders.ts'
import { asRuleSet } from './substitution-rules.ts'

/** Bodies that are held until they are whole, at a time, over all requests of the step. */
const HELD_BYTES_MAX = 16 * 1024 * 1024
export const HELD_BODY_BYTES_MAX: number = 1024 * 1024

/** A job could put an answer together from pieces that are each too small to be found. */
const PIECEMEAL: ReadonlySet<string> = new Set(['accept-encoding', 'range', 'if-range'])

/** The placeholders and values of one step. */
export class StepSubstitutions {
  readonly #step: OpenStep
  readonly #placeholders: SecretSet = createSecretSet()
  /** Those of {@link #placeholders} that stand for nothing. */
  readonly #honeytokens: SecretSet = createSecretSet()
  readonly #values: SecretSet = createSecretSet()
  /** Those whose value would not be found in an answer: they are never put in. */
  readonly #unfindable: Set<Substitution> = new Set()
  /** How many of the step's substitutions are in the sets above. */
  #known = 0
  #heldBytes = 0

  constructor(step: OpenStep) {
    this.#step = step
    for (const token of step.doors.honeytokens) {
      this.#placeholders.add(token)
      this.#honeytokens.add(token)
    }
    for (const { placeholder } of step.doors.signings ?? [])
      for (const part of Object.values(placeholder)) if (part !== null) this.#placeholders.add(part)
  }

  /** Those of now: some may be added while the step runs. */
  get #substitutions(): readonly Substitution[] {
    const { substitutions } = this.#step.doors
    for (const substitution of substitutions.slice(this.#known)) {
      this.#placeholders.add(substitution.placeholder)
      if (!this.#values.add(substitution.value).masked) this.#unfindable.add(substitution)
    }
    this.#known = substitutions.length
    return substitutions
  }

  /**
   * Of a request that was signed with the placeholder of a key of AWS, its signing. Its answer is not searched: no key is sent to anybody, and without it
   * the rest of what is signed with is worth nothing.
   *
   * @throws RefusedError
   */
  signing(head: RequestHead, asked: ParsedRequest, destination: Destination): PendingSigning | null {
    return pendingSigning({ head, asked, destination }, this.#step, {
      nowMs: Date.now,
      hold: (bytes) => this.hold(bytes),
      refused: (reason) => {
        this.#step.report.alert('placeholder', `${asked.method} ${destination.origin}${asked.path.text}`.slice(0, 200), null)
        return this.#refused(asked, destination, reason, 'signature')
      },
    })
  }

  /** Answers of this host are searched: a value was, or could have been, sent there. */
  searchesAnswersOf({ name }: Destination): boolean {
    return this.#substitutions.some(({ rule }) => rule.hosts.some((pattern) => matchesName(pattern, name)))
  }

  /**
   * The request with the values in its head.
   * @throws RefusedError when a placeholder is anywhere else in it.
   */
  inHead(request: ParsedRequest, destination: Destination): ParsedRequest {
    const applicable = this.#applicable(request, destination)
    const query = replaceInQuery(request.path.query, inPlace(applicable, 'query'))
    const fields = request.fields.map((field) => this.#inField(field, applicable))
    const residue = [
      request.path.text,
      percentDecoded(request.path.text),
      query.residue,
      percentDecoded(query.residue),
      ...fields.flatMap(({ name, residue }) => [name, residue]),
    ]
    if (residue.some((text) => this.#placeholders.matches(text)))
      throw this.#misplaced(
        request,
        destination,
        residue.some((text) => this.#honeytokens.matches(text)),
      )
    for (const used of [query, ...fields].flatMap((each) => each.used)) this.#checkUse(used, request, destination)
    for (const { text, used } of fields) this.#checkField(text, used, request, destination)
    const replaced = fields.map(({ name, text }) => ({ name, value: text }))
    return { ...request, path: { ...request.path, query: query.text }, fields: this.#withoutCompression(replaced, destination) }
  }

  /** Whether this request's body has to be held until it is whole, for a value to be put in. */
  holdsBody(request: ParsedRequest, destination: Destination): boolean {
    const isPlain = !hasField(request.fields, 'content-encoding') && bodyTypeOf(request.fields) !== null
    const fits = request.bodyBytes === null || request.bodyBytes <= HELD_BODY_BYTES_MAX
    return isPlain && fits && inPlace(this.#applicable(request, destination), 'body').length > 0
  }

  /** Null when too much is held already: then it streams, and a placeholder in it is refused. */
  hold(bytes: number): { release(): void } | null {
    if (this.#heldBytes + bytes > HELD_BYTES_MAX) return null
    this.#heldBytes += bytes
    const release = (): void => {
      this.#heldBytes -= bytes
    }
    return { release }
  }

  /** @throws RefusedError when a placeholder is anywhere but in its place. */
  inBody(body: Buffer, request: ParsedRequest, destination: Destination): Buffer {
    const candidates = inPlace(this.#applicable(request, destination), 'body')
    const { text, residue, used } = replaceInBody(body, bodyTypeOf(request.fields), candidates)
    if (this.#placeholders.matches(residue)) throw this.#misplaced(request, destination, this.#honeytokens.matches(residue))
    for (const each of used) this.#checkUse(each, request, destination)
    return used.length === 0 ? body : Buffer.from(text)
  }

  /** For a body that streams: it goes out as it is, until a placeholder is found in it. */
  bodyStage(request: ParsedRequest, destination: Destination): BodyStage {
    const honeytokens = this.#honeytokens.createStream()
    return new SearchStage(this.#placeholders.createStream(), honeytokens, () =>
      this.#misplaced(request, destination, honeytokens.maskedCount > 0),
    )
  }

  /** Of an answer's header or trailer section. */
  withoutValues(fields: HeaderFields, onFound: () => void): HeaderField[] {
    return fields.flatMap(({ name, value }) => {
      if (this.#values.matches(name)) {
        onFound()
        return []
      }
      // A character of a field is a byte (RFC 9110 section 5.5): a value stands in it as UTF-8.
      const stage = this.answerStage(onFound)
      return [{ name, value: Buffer.concat([stage.write(Buffer.from(value, 'latin1')), stage.end()]).toString('latin1') }]
    })
  }

  answerStage(onFound: () => void): BodyStage {
    return new EchoStage(this.#substitutions, this.#values.createStream(), onFound)
  }

  #inField({ name, value }: HeaderField, applicable: readonly Substitution[]): Replaced & { readonly name: string } {
    const here = inPlace(applicable, 'header').filter(
      ({ rule }) => 'header' in rule.in && rule.in.header.toLowerCase() === name.toLowerCase(),
    )
    return { name, ...replaceInFieldValue(value, here) }
  }

  /** A value goes into a request only when the server that gets it has proved who it is. */
  #applicable({ readings }: ParsedRequest, { protocol }: Destination): readonly Substitution[] {
    const substitutions = this.#substitutions
    if (protocol !== 'tls') return []
    return substitutions.filter(({ rule }) => {
      const set = asRuleSet(rule)
      return readings.every((reading) => decideRequest([set], reading).allowed)
    })
  }

  #withoutCompression(fields: HeaderFields, destination: Destination): HeaderFields {
    if (!this.searchesAnswersOf(destination)) return fields
    return [...withoutFields(fields, PIECEMEAL), { name: 'Accept-Encoding', value: 'identity' }]
  }

  #checkUse(used: Substitution, request: ParsedRequest, destination: Destination): void {
    if (this.#unfindable.has(used))
      throw this.#refused(request, destination, `the value of ${used.rule.name} is too short to be found again in an answer`)
  }

  /** ASCII alone: what is beyond it has two encodings, and would be searched for in the other one. */
  #checkField(text: string, [used]: readonly Substitution[], request: ParsedRequest, destination: Destination): void {
    if (used !== undefined && /[^\t\x20-\x7e]/.test(text))
      throw this.#refused(request, destination, `the value of ${used.rule.name} has characters that a header field cannot have`)
  }

  #misplaced(request: ParsedRequest, destination: Destination, isHoneytoken: boolean): RefusedError {
    const kind = isHoneytoken ? 'honeytoken' : 'placeholder'
    this.#step.report.alert(kind, `${request.method} ${destination.origin}${request.path.text}`.slice(0, 200), null)
    const reason = isHoneytoken
      ? 'it carries a token that nobody has a reason to send'
      : "the placeholder of a secret stands where the secret's rule does not allow it"
    return this.#refused(request, destination, reason)
  }

  #refused(
    { method, path }: ParsedRequest,
    { origin }: Destination,
    reason: string,
    code: 'placeholder' | 'signature' = 'placeholder',
  ): RefusedError {
    return new RefusedError({
      code,
      target: `${method} ${origin}${path.text}`.slice(0, 200),
      reason,
      rule: null,
      remedy: null,
    })
  }
}

/** Looks, and does not hold anything back: what it looks for is worthless by itself. */
class SearchStage implements BodyStage {
  readonly #search: RedactionStream
  readonly #honeytokens: RedactionStream
  readonly #refusal: () => RefusedError

  /** `honeytokens` tells what was found. */
  constructor(search: RedactionStream, honeytokens: RedactionStream, refusal: () => RefusedError) {
    this.#search = search
    this.#honeytokens = honeytokens
    this.#refusal = refusal
  }

  write(chunk: Buffer): Uint8Array {
    this.#honeytokens.write(chunk)
    this.#search.write(chunk)
    this.#check()
    return chunk
  }

  end(): Uint8Array {
    this.#honeytokens.end()
    this.#search.end()
    this.#check()
    return new Uint8Array(0)
  }

  #check(): void {
    if (this.#search.maskedCount > 0) throw this.#refusal()
  }
}

/** Whatever is encoded, also what no encoder would. */
const percentDecoded = (text: string): string =>
  text.replaceAll(/%([0-9a-f]{2})/gi, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))

const inPlace = (substitutions: readonly Substitution[], place: 'header' | 'query' | 'body'): readonly Substitution[] =>
  substitutions.filter(({ rule }) => place in rule.in)

function bodyTypeOf(fields: HeaderFields): BodyType | null {
  const type = valuesOf(fields, 'content-type')[0]?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (type === 'application/x-www-form-urlencoded') return 'form'
  return type === 'application/json' || /^application\/[a-z0-9.+-]+\+json$/.test(type) ? 'json' : null
}
