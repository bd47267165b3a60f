// SPDX-License-Identifier: Apache-2.0
// The forms in which programs print a secret, made by those programs.
import { Buffer } from 'node:buffer'
import { spawnSync } from 'node:child_process'
import { createSecretSet, type RedactionStream, type SecretSet } from '@sallyport/redaction'

export interface MaskingForm {
  readonly group: string
  readonly what: string
  /** A program of bash's; the secret is in `$S`. */
  readonly script: string
  readonly secret: keyof typeof SECRETS
  /** Programs that have to be there. */
  readonly tools: readonly string[]
}

type Random = (limit: number) => number

function createRandom(seed: number): Random {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

const ALNUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** The template with a character at random for each `?`: secrets of one kind differ only there. */
function filled(template: string, seed: number): string {
  const random = createRandom(seed)
  return template.replaceAll('?', () => ALNUM[random(ALNUM.length)] as string)
}

const SECRETS = {
  token: 'tk_????????????????????????????',
  password: 'p?$? "?\'<?>?\\?/é+&?`!?%??',
  long: '?'.repeat(180),
  pem: `-----BEGIN PRIVATE KEY-----\n${`${'?'.repeat(64)}\n`.repeat(4)}${'?'.repeat(24)}\n-----END PRIVATE KEY-----`,
  json: '{"type":"service_account","client_email":"ci@project.example","private_key_id":"????????????????????","password":"????????-????????","token":"????????????????????????"}',
  yaml: 'database:\n  user: ci\n  password: ????????-????????\n  api_token: "????????????????????????"',
  url: 'postgres://ci:????????????????????@db.internal:5432/app?sslmode=require',
} as const

const form = (group: string, what: string, script: string, options: Partial<Pick<MaskingForm, 'secret' | 'tools'>> = {}): MaskingForm => ({
  group,
  what,
  script,
  secret: options.secret ?? 'token',
  tools: options.tools ?? [],
})

const put = 'printf %s "$S"'
const python = (code: string): string => `python3 -c 'import os,sys;s=os.environ["S"];${code}'`
const node = (code: string): string => `node -e 'const s=process.env.S;${code}'`
const password = { secret: 'password' } as const
const long = { secret: 'long' } as const

/** What programs do to a value without meaning to hide it. */
export const ACCIDENTS: readonly MaskingForm[] = [
  ...['token', 'password', 'long', 'pem'].map((secret) =>
    form('plain', `${secret}, as it is`, `echo "before $S after"`, { secret: secret as 'token' }),
  ),
  form('plain', 'upper case', `${put} | tr a-z A-Z`, { tools: ['tr'] }),
  form('plain', 'lower case', `${put} | tr A-Z a-z`, { tools: ['tr'] }),
  form('plain', 'twice without a space', 'echo "$S$S"'),
  form('plain', 'set -x of bash', 'set -x; : "$S"', password),
  form('plain', 'set -x of dash', 'dash -xc \': "$S"\'', { ...password, tools: ['dash'] }),
  form('plain', 'numbered by nl', 'echo "$S" | nl', { tools: ['nl'] }),
  form('plain', 'colours before, in and after', String.raw`printf '\033[1;31m%s\033[0m%s\033[K\n' "\${S:0:9}" "\${S:9}"`),
  form('plain', 'a colour for each character', String.raw`printf %s "$S" | sed 's/./\x1b[38;5;4m&/g'`, { tools: ['sed'] }),
  form('plain', 'found by grep --color', 'echo "$S" | grep --color=always "${S:5:4}"', { tools: ['grep'] }),
  form('plain', 'carriage returns and erased lines', String.raw`printf '%s\r\033[2K%s\r\n' "$S" "$S"`),
  form('plain', 'control characters inside', String.raw`printf %s "$S" | sed 's/./&\x01/7;s/./&\x08/15'`, { tools: ['sed'] }),
  form('wrapped', 'fold at 16', `${put} | fold -w 16`, { ...long, tools: ['fold'] }),
  ...[64, 76, 80].map((width) => form('wrapped', `fold at ${width}`, `${put} | fold -w ${width}`, { ...long, tools: ['fold'] })),
  form('wrapped', 'fold at 64, CRLF', String.raw`printf %s "$S" | fold -w 64 | sed 's/$/\r/'`, { ...long, tools: ['fold', 'sed'] }),
  form('wrapped', 'fold at 64, indented', `${put} | fold -w 64 | sed 's/^/        /'`, { ...long, tools: ['fold', 'sed'] }),
  form('wrapped', 'fold in the middle of a line', `printf 'prefix prefix prefix prefix %s' "$S" | fold -w 40`, {
    ...long,
    tools: ['fold'],
  }),
  form('wrapped', 'words by fmt', `echo "say $S now" | fmt -w 20`, { ...password, tools: ['fmt'] }),
  form('wrapped', 'PEM, every line indented', `echo "$S" | sed 's/^/    /'`, { secret: 'pem', tools: ['sed'] }),
  form('wrapped', 'PEM, one line each, alone', `echo "$S" | sed -n 3p`, { secret: 'pem', tools: ['sed'] }),
  form('wrapped', 'PEM, joined by tr', `echo "$S" | tr -d '\\n'`, { secret: 'pem', tools: ['tr'] }),
  form('wrapped', 'PEM, unquoted echo', 'echo $S', { secret: 'pem' }),
  form('wrapped', 'PEM, numbered by cat -n', 'echo "$S" | cat -n', { secret: 'pem' }),
  form('base64', 'base64', `${put} | base64`, { tools: ['base64'] }),
  form('base64', 'base64 of echo', 'echo "$S" | base64', password),
  ...['', 'x', 'xy', 'user:'].map((lead) => form('base64', `base64 after "${lead}"`, `printf %s "${lead}$S:z" | base64 -w 0`)),
  ...['', 'x', 'xy'].map((lead) =>
    form('base64', `base64url after "${lead}"`, `printf %s "${lead}$S:z" | basenc --base64url -w 0`, { ...password, tools: ['basenc'] }),
  ),
  form('base64', 'base64 at 64, openssl', `${put} | openssl base64`, { ...long, tools: ['openssl'] }),
  form('base64', 'base64 at 76', `${put} | base64`, long),
  form('base64', 'base64 at 20', `${put} | base64 -w 20`, long),
  form('base64', 'base64 at 76, indented, CRLF', String.raw`printf %s "$S" | base64 | sed 's/^/    /;s/$/\r/'`, {
    ...long,
    tools: ['sed'],
  }),
  form('base64', 'base64 without padding, Node', node('console.log(Buffer.from(s).toString("base64url"))'), password),
  form('base64', 'base64 of a PEM', 'echo "$S" | base64', { secret: 'pem' }),
  form('base64', 'base64 in upper case', `${put} | base64 | tr a-z A-Z`, { tools: ['tr'] }),
  form('nested', 'base64 of base64', `${put} | base64 -w 0 | base64 -w 0`),
  form('nested', 'base64 of base64 of echo', 'echo "$S" | base64 | base64', password),
  form('nested', 'base64 of base64, wrapped', `${put} | base64 | base64`, long),
  form('nested', 'base64 of hex', `${put} | xxd -p | base64`, { tools: ['xxd'] }),
  form('nested', 'base64 of wrapped hex', `${put} | xxd -p | base64`, { ...long, tools: ['xxd'] }),
  form('nested', 'hex of base64', `${put} | base64 -w 0 | xxd -p`, { tools: ['xxd'] }),
  form('nested', 'percent-encoded base64', `${put} | base64 -w 0 | jq -sRr @uri`, { ...password, tools: ['jq'] }),
  form('nested', 'a URL in a URL', python('import urllib.parse as u;print(u.quote(u.quote(s)))'), { ...password, tools: ['python3'] }),
  form('nested', 'JSON in JSON', python('import json;print(json.dumps(json.dumps(s)))'), { ...password, tools: ['python3'] }),
  form('base32', 'base32', `${put} | base32`, { tools: ['base32'] }),
  form('base32', 'base32, wrapped', `${put} | base32`, { ...long, tools: ['base32'] }),
  form('base32', 'base32 after "user:"', `printf %s "user:$S" | base32`, { tools: ['base32'] }),
  form('hex', 'xxd -p', `${put} | xxd -p`, { ...long, tools: ['xxd'] }),
  form('hex', 'xxd', `echo "the value: $S" | xxd`, { tools: ['xxd'] }),
  form('hex', 'xxd, odd offset', `echo "a value: $S" | xxd`, { tools: ['xxd'] }),
  form('hex', 'xxd of a long value', `${put} | xxd`, { ...long, tools: ['xxd'] }),
  form('hex', 'xxd -u -g 1', `echo "the value: $S" | xxd -u -g 1`, { tools: ['xxd'] }),
  form('hex', 'xxd -i', `${put} | xxd -i`, { tools: ['xxd'] }),
  form('hex', 'hexdump', `echo "a value: $S" | hexdump`, { tools: ['hexdump'] }),
  form('hex', 'hexdump, odd offset', `echo "value: $S" | hexdump`, { tools: ['hexdump'] }),
  form('hex', 'hexdump -C', `echo "the value: $S" | hexdump -C`, { tools: ['hexdump'] }),
  form('hex', 'hexdump -C of a long value', `${put} | hexdump -C`, { ...long, tools: ['hexdump'] }),
  ...['-c', '-x', '-b', '-t x1', '-t x1z', ''].map((flags) =>
    form('hex', `od ${flags}`.trim(), `echo "the value: $S" | od ${flags}`, { tools: ['od'] }),
  ),
  form('hex', 'od -An -t x1', `${put} | od -An -t x1`, { tools: ['od'] }),
  form('hex', 'od -An -c', `${put} | od -An -c`, { tools: ['od'] }),
  form('hex', 'hex with colons, openssl', `${put} | openssl enc -base64 >/dev/null; ${put} | xxd -c 256 -p -u | sed 's/../&:/g'`, {
    tools: ['openssl', 'xxd', 'sed'],
  }),
  form('hex', 'a Buffer, printed by Node', node('console.log(Buffer.from(s))')),
  form('hex', 'a Buffer as JSON', node('console.log(JSON.stringify(Buffer.from(s)))')),
  form('percent', 'encodeURIComponent', node('console.log(encodeURIComponent(s))'), password),
  form('percent', 'encodeURI', node('console.log(encodeURI(s))'), password),
  form('percent', 'a form field', node('console.log(String(new URLSearchParams({v:s})))'), password),
  form('percent', 'urllib quote', python('import urllib.parse as u;print(u.quote(s))'), { ...password, tools: ['python3'] }),
  form(
    'percent',
    'urllib quote_plus, small digits',
    python('import urllib.parse as u,re;print(re.sub("%..",lambda m:m[0].lower(),u.quote_plus(s)))'),
    { ...password, tools: ['python3'] },
  ),
  form('percent', 'jq @uri', 'jq -nr "env.S|@uri"', { ...password, tools: ['jq'] }),
  form('percent', 'every byte', `${put} | xxd -c 256 -p | sed 's/../%&/g'`, { tools: ['xxd', 'sed'] }),
  form('JSON', 'jq', 'jq -n "{v: env.S}"', { ...password, tools: ['jq'] }),
  form('JSON', 'jq -a', 'jq -na "{v: env.S}"', { ...password, tools: ['jq'] }),
  form('JSON', 'python json', python('import json;print(json.dumps({"v":s}))'), { ...password, tools: ['python3'] }),
  form('JSON', 'JSON.stringify of a PEM', node('console.log(JSON.stringify({v:s}))'), { secret: 'pem' }),
  form('JSON', 'slashes escaped', `jq -n "{v: env.S}" | sed 's:/:\\\\/:g'`, { ...password, tools: ['jq', 'sed'] }),
  form(
    'JSON',
    'every character as \\u',
    node('console.log([...s].map(c=>"\\\\u"+c.charCodeAt().toString(16).padStart(4,"0")).join(""))'),
    password,
  ),
  form('XML', 'html.escape', python('import html;print(html.escape(s))'), { ...password, tools: ['python3'] }),
  form('XML', 'jq @html', 'jq -nr "env.S|@html"', { ...password, tools: ['jq'] }),
  form('XML', 'saxutils', python('from xml.sax.saxutils import quoteattr;print(quoteattr(s))'), { ...password, tools: ['python3'] }),
  form('XML', 'numeric references', python('print("".join("&#%d;"%ord(c) for c in s))'), { tools: ['python3'] }),
  form('quoted', 'printf %q', 'printf %q "$S"', password),
  form('quoted', '${S@Q}', 'echo "${S@Q}"', password),
  form('quoted', 'declare -p', 'declare -p S', password),
  form('quoted', 'env of a shell: export -p', 'export -p | grep " S="', { ...password, tools: ['grep'] }),
  form('quoted', 'shlex.quote', python('import shlex;print(shlex.quote(s))'), { ...password, tools: ['python3'] }),
  form('quoted', 'jq @sh', 'jq -nr "env.S|@sh"', { ...password, tools: ['jq'] }),
  form('quoted', 'jq @csv', 'jq -nr "[env.S]|@csv"', { ...password, tools: ['jq'] }),
  form('quoted', "Python's repr", python('print(repr(s))'), { ...password, tools: ['python3'] }),
  form('quoted', "Python's repr of bytes", python('print(repr(s.encode()))'), { ...password, tools: ['python3'] }),
  form('quoted', 'util.inspect', node('console.log([s])'), password),
  form('quoted', '\\x of every byte', `${put} | xxd -c 256 -p | sed 's/../\\\\x&/g'`, { tools: ['xxd', 'sed'] }),
  form('quoted', 'octal of every byte', python('print("".join("\\\\%03o"%b for b in s.encode()))'), { tools: ['python3'] }),
  ...['UTF-16LE', 'UTF-16BE'].flatMap((encoding) => [
    form('UTF-16', encoding, `${put} | iconv -t ${encoding}`, { tools: ['iconv'] }),
    form('UTF-16', `base64 of ${encoding}`, `${put} | iconv -t ${encoding} | base64 -w 0`, { tools: ['iconv'] }),
    form('UTF-16', `base64 of ${encoding}, inside a command`, `printf %s "Use-It '$S'" | iconv -t ${encoding} | base64 -w 0`, {
      tools: ['iconv'],
    }),
    form('UTF-16', `xxd of ${encoding}`, `${put} | iconv -t ${encoding} | xxd`, { tools: ['iconv', 'xxd'] }),
  ]),
  form('fields', 'password and token of JSON', 'jq -nr "env.S|fromjson|.password,.token,.private_key_id"', {
    secret: 'json',
    tools: ['jq'],
  }),
  form('fields', 'JSON, indented by jq', 'jq -n "env.S|fromjson"', { secret: 'json', tools: ['jq'] }),
  form('fields', 'base64 of a field of JSON', 'jq -nr "env.S|fromjson|.password|@base64"', { secret: 'json', tools: ['jq'] }),
  form('fields', 'values of YAML', `echo "$S" | sed -n 's/.*password: //p;s/.*token: //p'`, { secret: 'yaml', tools: ['sed'] }),
  form('fields', 'the password in a URL', python('import urllib.parse as u;print(u.urlparse(s).password)'), {
    secret: 'url',
    tools: ['python3'],
  }),
]

/** What only somebody does who wants to get a value out. */
export const EVASIONS: readonly MaskingForm[] = [
  form('evasion', 'rot13', `${put} | tr A-Za-z N-ZA-Mn-za-m`),
  form('evasion', 'reversed', `${put} | rev`),
  form('evasion', 'a word after each character', `${put} | sed 's/./& and /g'`),
  form('evasion', 'one character a line, numbered', `${put} | fold -w 1 | nl`),
  form('evasion', 'in two halves, apart', 'echo "first ${S:0:15}"; echo "then ${S:15}"'),
  form('evasion', 'gzip and base64', `${put} | gzip -n | base64 -w 0`),
  form('evasion', 'encrypted', `${put} | openssl enc -aes-256-ctr -nosalt -pbkdf2 -iter 1 -k k | base64 -w 0`),
  form('evasion', 'base64 with an alphabet of its own', `${put} | base64 -w 0 | tr A-Za-z0-9 b-z0-9A-Za`),
  form('evasion', 'every byte plus one', python('sys.stdout.write("".join(chr(ord(c)+1) for c in s))')),
  form('evasion', 'base85', python('import base64;print(base64.b85encode(s.encode()).decode())')),
  form('evasion', 'base64 three times', `${put} | base64 -w 0 | base64 -w 0 | base64 -w 0`),
  form(
    'evasion',
    'in words of a list',
    python('print(" ".join("alpha bravo charlie delta echo foxtrot golf hotel".split()[int(d)] for c in s for d in "%03o"%ord(c)))'),
  ),
]

export interface MaskingResult {
  /** Characters of the redacted text that depend on the secret: those that differ between two secrets of one kind. */
  readonly shown: number
  /** How many of them the text had before. */
  readonly before: number
  /** Ways to split the text into writes that gave another text. */
  readonly splitsThatDiffer: number
  readonly splits: number
}

/** Masks what the programs print for two secrets of one kind; what then differs is what leaked. */
export function maskForm({ script, secret }: MaskingForm): MaskingResult {
  const [first, second] = [1, 2].map((seed) => {
    const value = filled(SECRETS[secret], seed)
    const text = produced(script, value)
    const set = createSecretSet()
    if (!set.add(value).masked) throw new Error(`the secret "${secret}" is refused`)
    return { text, set, masked: through(set.createStream(), [text]) }
  }) as [Sample, Sample]
  return {
    shown: differing(first.masked, second.masked),
    before: differing(first.text, second.text),
    ...splitsOf(first),
  }
}

interface Sample {
  readonly text: Buffer
  readonly set: SecretSet
  readonly masked: Buffer
}

function produced(script: string, value: string): Buffer {
  const { stdout, stderr, status } = spawnSync('bash', ['-c', script.replaceAll('\\${', '${')], {
    env: { ...process.env, S: value, LC_ALL: 'C.UTF-8' },
  })
  if (status !== 0) throw new Error(`${script}: code ${status}: ${stderr}`)
  return Buffer.concat([stdout, stderr])
}

function through(stream: RedactionStream, chunks: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...chunks.map((chunk) => Buffer.from(stream.write(chunk))), stream.end()])
}

function splitsOf({ text, set, masked }: Sample): Pick<MaskingResult, 'splits' | 'splitsThatDiffer'> {
  const stream = set.createStream()
  let splitsThatDiffer = 0
  for (let at = 1; at < text.length; at += 1)
    if (!through(stream, [text.subarray(0, at), text.subarray(at)]).equals(masked)) splitsThatDiffer += 1
  const bytes = Array.from(text, (byte) => Uint8Array.of(byte))
  if (!through(stream, bytes).equals(masked)) splitsThatDiffer += 1
  return { splitsThatDiffer, splits: text.length }
}

/** Bytes that differ; where the lengths do, what is between the common start and the common end. */
function differing(left: Buffer, right: Buffer): number {
  if (left.length === right.length) return left.reduce((sum, byte, at) => sum + (byte === right[at] ? 0 : 1), 0)
  let start = 0
  while (start < Math.min(left.length, right.length) && left[start] === right[start]) start += 1
  let end = 0
  while (end < Math.min(left.length, right.length) - start && left.at(-1 - end) === right.at(-1 - end)) end += 1
  return Math.max(left.length, right.length) - start - end
}
