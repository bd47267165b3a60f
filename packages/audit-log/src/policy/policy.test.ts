// SPDX-License-Identifier: Apache-2.0
// The rules of C2SP tlog-policy, sentence by sentence, and its example with keys.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryLog, newPrivateKey, newSigner, newWitnesses, sourceEntries } from '../_memory-log.ts'
import { AuditLogError } from '../audit-log-error.ts'
import { cosignatureSigner, ed25519Signer } from '../note/keys.ts'
import { parseNote } from '../note/note.ts'
import { formatVerifierKey } from '../note/verifier-key.ts'
import { evaluatePolicy } from './evaluate-policy.ts'
import { type Policy, parsePolicy } from './parse-policy.ts'

const log = newSigner()
const logKey = formatVerifierKey(log.key)
const witnesses = newWitnesses(6)
const keys = witnesses.map(({ key }) => formatVerifierKey(key))
const [k1 = '', k2 = '', k3 = '', k4 = '', k5 = '', k6 = ''] = keys

const parse = (text: string | Buffer): Policy => parsePolicy(Buffer.from(text))

const EXAMPLE = `log ${logKey}

witness X1 ${k1}
witness X2 ${k2}
witness X3 ${k3}
group X-witnesses 2 X1 X2 X3

witness Y1 ${k4}
witness Y2 ${k5}
witness Y3 ${k6}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`

function refused(text: string | Buffer, line?: number): void {
  assert.throws(
    () => parse(text),
    (error) => error instanceof AuditLogError && error.code === 'AUDIT_LOG_MALFORMED' && error.details['line'] === line,
    text.toString(),
  )
}

describe('a policy', () => {
  it('is read as the specification shows it', () => {
    const policy = parse(EXAMPLE)
    assert.deepEqual([policy.logs.length, policy.witnesses.length, policy.quorum], [1, 6, 'X-and-Y'])
    assert.deepEqual(policy.groups, [
      { name: 'X-witnesses', threshold: 2, members: ['X1', 'X2', 'X3'] },
      { name: 'Y-witnesses', threshold: 1, members: ['Y1', 'Y2', 'Y3'] },
      { name: 'X-and-Y', threshold: 2, members: ['X-witnesses', 'Y-witnesses'] },
    ])
  })

  it('needs a quorum and nothing else', () => {
    assert.deepEqual(parse('quorum none\n'), { logs: [], witnesses: [], groups: [], quorum: null })
  })

  it('may have spaces, tabs, comments, empty lines and addresses', () => {
    const policy = parse(
      `\t # a comment\n\n \t\n  log\t${logKey}   https://log.example.test/ \nwitness w ${k1} https://w.example.test\nquorum\tw\t\n`,
    )
    assert.deepEqual([policy.logs[0]?.url, policy.witnesses[0]?.url], ['https://log.example.test/', 'https://w.example.test'])
  })

  it('has names of octets: two that look alike are two', () => {
    const text = Buffer.concat([
      Buffer.from(`witness K ${k1}\nwitness \u212a ${k2}\nwitness `),
      Buffer.from([0xe9]),
      Buffer.from(` ${k3}\nquorum none\n`),
    ])
    assert.equal(new Set(parse(text).witnesses.map(({ name }) => name)).size, 3)
    refused(`witness K ${k1}\nwitness \u212a ${k2}\nquorum \u00c7\n`, 3)
  })

  it('is octets: what is no UTF-8 in one place changes nothing in another', () => {
    const key = formatVerifierKey(cosignatureSigner('zeug\u00e9.example.test', newPrivateKey()).key)
    const text = Buffer.concat([Buffer.from([0x23, 0x20, 0xe9, 0x0a]), Buffer.from(`witness \u00e9 ${key}\nwitness `), Buffer.from([0xe9])])
    const policy = parse(
      Buffer.concat([text, Buffer.from(` ${k1}\ngroup g all \u00e9 `), Buffer.from([0xe9]), Buffer.from('\nquorum g\n')]),
    )
    assert.equal(policy.witnesses[0]?.key.name, 'zeug\u00e9.example.test')
    assert.equal(policy.witnesses[0]?.name, '\u00e9')
    assert.deepEqual(
      policy.groups[0]?.members,
      policy.witnesses.map(({ name }) => name),
    )
    assert.equal(new Set(policy.groups[0]?.members).size, 2)
  })

  it('may be large', () => {
    const lines = Array.from(
      { length: 300 },
      (_, index) => `witness w${index} ${formatVerifierKey(cosignatureSigner(`w${index}`, newPrivateKey()).key)}`,
    )
    const groups = Array.from({ length: 300 }, (_, index) => `group g${index} any w${index}`)
    assert.equal(parse(`${[...lines, ...groups].join('\n')}\nquorum g299\n`).groups.length, 300)
    refused(`${'# '.repeat(600_000)}\nquorum none\n`)
  })

  it('that is none is refused, with its line', () => {
    refused('')
    refused(`log ${logKey}\n`)
    refused('quorum none')
    refused('quorum none\nquorum none\n', 2)
    refused('quorum w\n', 1)
    refused(`quorum w\nwitness w ${k1}\n`, 1)
    refused('quorum\n', 1)
    refused('quorum none none\n', 1)
    refused('Quorum none\n', 1)
    refused('quorum none # comment\n', 1)
    refused(`witness w ${k1}\ngroup g any g\nquorum g\n`, 2)
    refused(`group g any w\nwitness w ${k1}\nquorum g\n`, 1)
    refused(`witness w ${k1}\ngroup g any\nquorum g\n`, 2)
    refused(`witness w ${k1}\ngroup g any none\nquorum g\n`, 2)
    refused(`witness w ${k1}\ngroup w any w\nquorum w\n`, 2)
    refused(`witness w ${k1}\ngroup none any w\nquorum w\n`, 2)
    refused(`witness none ${k1}\nquorum none\n`, 1)
    refused(`witness w ${k1}\nwitness w ${k2}\nquorum w\n`, 2)
    for (const count of ['0', '2', '-1', '1.0', '0x1', '+1', 'most', '99999999999999999999'])
      refused(`witness w ${k1}\ngroup g ${count} w\nquorum g\n`, 2)
    refused(`witness w ${k1}\ngroup g any w w\nquorum g\n`, 2)
    refused(`witness w ${k1}\ngroup g any w\ngroup h any w\nquorum g\n`, 3)
    refused('quorum none\x7f\n')
    refused('quorum none\r\n')
    refused('quorum\x0bnone\n')
  })

  it('takes keys of the fitting type, each once, whatever its name', () => {
    const [privateKey, other] = [newPrivateKey(), newPrivateKey()]
    const [noteKey, cosignatureKey] = [ed25519Signer('a', privateKey), cosignatureSigner('a', privateKey)].map(({ key }) =>
      formatVerifierKey(key),
    )
    const renamed = formatVerifierKey(cosignatureSigner('b', privateKey).key)
    refused(`witness w ${noteKey}\nquorum w\n`, 1)
    refused(`witness w ${cosignatureKey}\nwitness v ${renamed}\nquorum w\n`, 2)
    refused(`log ${noteKey}\nlog ${noteKey}\nquorum none\n`, 2)
    refused(`log ${noteKey}\nlog ${formatVerifierKey(ed25519Signer('b', privateKey).key)}\nquorum none\n`, 2)
    refused(`log ${noteKey?.slice(0, -1)}\nquorum none\n`, 1)
    const postQuantum = `w+00000000+${Buffer.alloc(1313, 6).toString('base64')}`
    assert.throws(() => parse(`witness w ${postQuantum}\nquorum w\n`), /type Ed25519/)
    assert.equal(parse(`log ${noteKey}\nlog ${formatVerifierKey(ed25519Signer('a', other).key)}\nquorum none\n`).logs.length, 2)
  })
})

describe('the example of a policy', () => {
  const tree = new MemoryLog(sourceEntries('run/1', 3))
  const policy = parse(EXAMPLE)
  const cosigners = new Map(['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'].map((name, index) => [name, witnesses[index] ?? assert.fail()]))
  const decide = (...names: string[]) =>
    evaluatePolicy(
      policy,
      parseNote(
        tree.checkpoint(
          log,
          names.map((name) => cosigners.get(name) ?? assert.fail()),
        ),
      ),
    )

  it('wants two of X and one of Y', () => {
    for (let set = 0; set < 64; set++) {
      const names = [...cosigners.keys()].filter((_, index) => (set & (1 << index)) !== 0)
      const isQuorum = names.filter((name) => name.startsWith('X')).length >= 2 && names.some((name) => name.startsWith('Y'))
      const decision = decide(...names)
      assert.equal(decision.isAccepted, isQuorum, names.join(' '))
      if (!decision.isAccepted) assert.equal(decision.problem, 'quorum-missed')
    }
  })

  it('wants one of its logs, under the origin that is the name of its key', () => {
    const stranger = evaluatePolicy(policy, parseNote(tree.checkpoint(newSigner(), [...cosigners.values()])))
    assert.equal(stranger.isAccepted || stranger.problem, 'log-unknown')
    const otherName = newSigner('other.example.test')
    const both = parse(`log ${formatVerifierKey(otherName.key)}\nquorum none\n`)
    const decision = evaluatePolicy(both, parseNote(tree.checkpoint(otherName)))
    assert.equal(decision.isAccepted || decision.problem, 'log-unknown')
  })

  it('takes no checkpoint with a wrong signature of somebody it names', () => {
    const note = parseNote(tree.checkpoint(log, [...cosigners.values()]))
    const signatures = note.signatures.map((signature, index) =>
      index === 3 ? { ...signature, signature: Buffer.alloc(72, 1) } : signature,
    )
    const decision = evaluatePolicy(policy, { ...note, signatures })
    assert.equal(decision.isAccepted || decision.problem, 'signature-wrong')
  })
})
