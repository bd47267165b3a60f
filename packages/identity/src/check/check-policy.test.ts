// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { IdentityError } from '../identity-error.ts'
import { type CheckedPolicy, checkTrustPolicy } from './check-policy.ts'

const PROVIDER = 'ci.example.test'
const SOUND = 'repo:acme/app:ref:refs/heads/main'

function check(document: unknown): Promise<CheckedPolicy> {
  return checkTrustPolicy('policy.json', JSON.stringify(document, null, 2))
}

async function rulesOf(document: unknown): Promise<string[]> {
  return (await check(document)).findings.map(({ rule }) => rule)
}

/** Each name, document and what is found. */
async function expectRules(cases: Readonly<Record<string, readonly [unknown, ...string[]]>>): Promise<void> {
  for (const [name, [document, ...rules]] of Object.entries(cases)) assert.deepEqual(await rulesOf(document), rules, name)
}

function aws(
  condition: object,
  {
    action = 'sts:AssumeRoleWithWebIdentity' as unknown,
    federated = `arn:aws:iam::123456789012:oidc-provider/${PROVIDER}` as unknown,
  } = {},
): object {
  const statement = { Effect: 'Allow', Principal: { Federated: federated }, Action: action, Condition: condition }
  return { Version: '2012-10-17', Statement: [statement] }
}

const AUD = { [`${PROVIDER}:aud`]: 'sts.amazonaws.com' }
const equals = (sub: unknown): object => aws({ StringEquals: { ...AUD, [`${PROVIDER}:sub`]: sub } })
const like = (sub: unknown): object => aws({ StringEquals: AUD, StringLike: { [`${PROVIDER}:sub`]: sub } })

describe('an AWS trust policy', () => {
  test('that names one ref, environment or family of branches is sound', async () => {
    await expectRules({
      ref: [equals(SOUND)],
      environment: [equals('repo:acme/app:environment:prod')],
      'escaped environment': [equals('repo:acme/app:environment:prod%3Aeast')],
      several: [equals([SOUND, 'repo:acme/app:ref:refs/tags/v1'])],
      'a family of branches': [like('repo:acme/app:ref:refs/heads/release/*')],
      'tags of versions': [like('repo:acme/app:ref:refs/tags/v*')],
      'another service': [{ Statement: { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' } }],
      'a denial': [{ Statement: { Effect: 'Deny', Principal: { Federated: '*' }, Action: 'sts:*' } }],
      'a narrowing date': [
        aws({
          StringEquals: { ...AUD, [`${PROVIDER}:sub`]: SOUND, 'aws:RequestedRegion': 'eu-west-1' },
          DateLessThan: { 'aws:CurrentTime': '2027-01-01T00:00:00Z' },
        }),
      ],
    })
  })

  test('with a subject that is too broad is found', async () => {
    await expectRules({
      'no condition': [aws({}), 'audience-missing', 'subject-missing'],
      'no subject': [aws({ StringEquals: AUD }), 'subject-missing'],
      'no audience': [aws({ StringEquals: { [`${PROVIDER}:sub`]: SOUND } }), 'audience-missing'],
      everything: [like('*'), 'repository-broad'],
      'every repository': [like('repo:*'), 'repository-broad'],
      'an owner': [like('repo:acme/*'), 'repository-broad'],
      'an owner’s prefix': [like('repo:acme*'), 'repository-broad'],
      'a repository’s prefix': [like('repo:acme/app*'), 'repository-broad'],
      'any owner': [like('repo:*/app:ref:refs/heads/main'), 'repository-broad'],
      'one character': [like('repo:acme/ap?:ref:refs/heads/main'), 'repository-broad'],
      'a repository': [like('repo:acme/app:*'), 'context-any'],
      'any ref': [like('repo:acme/app:ref:*'), 'context-any'],
      'any branch': [like('repo:acme/app:ref:refs/heads/*'), 'context-any'],
      'any tag': [like('repo:acme/app:ref:refs/tags/*'), 'context-any'],
      'any environment': [like('repo:acme/app:environment:*'), 'context-any'],
      'a branch’s prefix': [like('repo:acme/app:ref:refs/heads/release*'), 'context-broad'],
      'an environment’s prefix': [like('repo:acme/app:environment:prod*'), 'context-broad'],
      'pull requests': [equals('repo:acme/app:pull_request'), 'pull-request'],
      'pull requests by a pattern': [like('repo:acme/app:pull*'), 'pull-request'],
      'one sound, one not': [like(['repo:acme/app:ref:refs/heads/release/*', 'repo:acme/*']), 'repository-broad'],
    })
  })

  test('with operators that do not bind, or nearly so, is found', async () => {
    const sub = `${PROVIDER}:sub`
    await expectRules({
      'like without a wildcard': [like(SOUND), 'like-without-wildcard'],
      'in lower case': [aws({ stringlike: { ...AUD, [sub]: 'repo:acme/*' } }), 'like-without-wildcard', 'repository-broad'],
      'ignoring case': [aws({ StringEquals: AUD, StringEqualsIgnoreCase: { [sub]: SOUND } }), 'ignores-case'],
      negated: [aws({ StringEquals: AUD, StringNotEquals: { [sub]: SOUND } }), 'subject-missing', 'negated'],
      optional: [aws({ StringEquals: AUD, StringEqualsIfExists: { [sub]: SOUND } }), 'subject-missing', 'optional'],
      'for all values': [aws({ StringEquals: AUD, 'ForAllValues:StringEquals': { [sub]: SOUND } }), 'subject-missing', 'optional'],
      'for any value': [aws({ StringEquals: AUD, 'ForAnyValue:StringEquals': { [sub]: SOUND } })],
      'audience by a pattern': [aws({ StringEquals: { [sub]: SOUND }, StringLike: { [`${PROVIDER}:aud`]: 'sts.*' } }), 'audience-broad'],
      'a claim that AWS does not know': [
        aws({ StringEquals: { ...AUD, [sub]: SOUND, [`${PROVIDER}:repository`]: 'acme/app' } }),
        'never-matches',
      ],
      'the key of another issuer': [aws({ StringEquals: { ...AUD, 'elsewhere.example.test:sub': SOUND } }), 'never-matches'],
    })
  })

  test('that trusts every issuer is found', async () => {
    const condition = { StringEquals: { ...AUD, [`${PROVIDER}:sub`]: SOUND } }
    await expectRules({
      'a wildcard': [aws(condition, { federated: '*' }), 'issuer-missing'],
      'all providers': [aws(condition, { federated: 'arn:aws:iam::123456789012:oidc-provider/*' }), 'issuer-missing'],
      'everybody for everything': [{ Statement: { Effect: 'Allow', Principal: '*', Action: '*', Condition: condition } }, 'issuer-missing'],
      'all of sts': [aws(condition, { action: ['sts:TagSession', 'sts:*'] })],
    })
  })

  test('that slips up in the subject is told what was meant', async () => {
    for (const slip of [
      'acme/app:main',
      'repo:acme/app:main',
      'repo:acme/app:refs/heads/main',
      'repo:acme/app:ref:main',
      'repo:acme/app:branch:main',
      'Repo:acme/app:ref:refs/heads/main',
      ' repo:acme/app:ref:refs/heads/main',
    ]) {
      const [finding] = (await check(equals(slip))).findings
      assert.equal(finding?.rule, 'never-matches', slip)
      assert.match(finding.remedy, /"repo:acme\/app:ref:refs\/heads\/main"/, slip)
    }
  })

  test('is read as the command line of AWS prints it', async () => {
    assert.deepEqual(await rulesOf({ Role: { RoleName: 'ci', AssumeRolePolicyDocument: like('repo:acme/*') } }), ['repository-broad'])
  })

  test('is judged with the place of what is wrong, and what would be right', async () => {
    const { kind, findings } = await check(like('repo:acme/*'))
    const [finding] = findings
    assert.equal(kind, 'aws')
    assert.deepEqual(finding, {
      rule: 'repository-broad',
      at: { file: 'policy.json', line: 15, column: 34 },
      path: 'Statement[0].Condition.StringLike["ci.example.test:sub"]',
      message: '"repo:acme/*" lets every repository of "acme" in',
      remedy: '"StringEquals": { "ci.example.test:sub": "repo:acme/NAME:ref:refs/heads/main" }',
    })
  })
})

describe('a federated credential of Azure', () => {
  const credential = { name: 'ci', issuer: `https://${PROVIDER}`, subject: SOUND, audiences: ['api://AzureADTokenExchange'] }
  const expression = (value: string): object => {
    const { subject: _, ...rest } = credential
    return { ...rest, claimsMatchingExpression: { value, languageVersion: 1 } }
  }

  test('is judged as it is written, listed, or exported', async () => {
    const { audiences: _, ...withoutAudience } = credential
    const { subject: __, ...withoutSubject } = credential
    await expectRules({
      sound: [credential],
      'a list': [[credential, { ...credential, subject: 'repo:acme/app:pull_request' }], 'pull-request'],
      'of Graph': [{ value: [{ ...credential, subject: 'repo:acme/*' }] }, 'never-matches'],
      'of a managed identity': [{ id: 'x', properties: { ...credential, subject: 'repo:acme/app:pull_request' } }, 'pull-request'],
      'a wildcard, which is none': [{ ...credential, subject: 'repo:acme/app:ref:refs/heads/*' }, 'never-matches'],
      'no audience': [withoutAudience, 'audience-missing'],
      'no subject': [withoutSubject, 'subject-missing'],
      'no issuer': [{ subject: SOUND, audiences: ['api://AzureADTokenExchange'] }, 'issuer-missing'],
    })
  })

  test('with an expression is judged by that', async () => {
    await expectRules({
      equal: [expression(`claims['sub'] eq '${SOUND}'`)],
      owner: [expression("claims['sub'] matches 'repo:acme/*'"), 'repository-broad'],
      'any branch': [expression("claims['sub'] matches 'repo:acme/app:ref:refs/heads/*'"), 'context-any'],
      'bound by the workflow': [
        expression(
          "claims['sub'] matches 'repo:acme/app:ref:refs/heads/*' and claims['job_workflow_ref'] eq 'acme/ci/.github/workflows/x.yml@refs/heads/main'",
        ),
      ],
      unreadable: [expression("claims['sub'] startsWith 'repo:acme'"), 'subject-missing', 'unread'],
    })
  })
})

describe('a provider of a Google workload identity pool', () => {
  const provider = (attributeCondition?: string): object => ({
    name: 'projects/1/locations/global/workloadIdentityPools/ci/providers/sallyport',
    attributeMapping: {
      'google.subject': 'assertion.sub',
      'attribute.repository': 'assertion.repository',
      'attribute.upper': 'assertion.repository.upperAscii()',
    },
    oidc: { issuerUri: `https://${PROVIDER}` },
    ...(attributeCondition === undefined ? {} : { attributeCondition }),
  })

  test('is judged by its condition', async () => {
    await expectRules({
      none: [provider(), 'subject-missing'],
      empty: [provider(' '), 'subject-missing'],
      subject: [provider(`assertion.sub == '${SOUND}'`)],
      mapped: [provider(`google.subject == "${SOUND}"`)],
      'repository and ref': [provider("assertion.repository == 'acme/app' && assertion.ref == 'refs/heads/main'")],
      'mapped repository and environment': [provider("attribute.repository == 'acme/app' && assertion.environment == 'prod'")],
      owner: [provider("assertion.repository_owner == 'acme'"), 'subject-missing'],
      repository: [provider("assertion.repository == 'acme/app'"), 'context-any'],
      'several repositories': [provider("assertion.repository in ['acme/app', 'acme/web'] && assertion.ref == 'refs/heads/main'")],
      prefix: [provider("assertion.sub.startsWith('repo:acme')"), 'repository-broad'],
      'whole prefix': [provider("assertion.sub.startsWith('repo:acme/app:ref:refs/heads/release/')")],
      contained: [provider("assertion.sub.contains('acme/app')"), 'repository-broad'],
      'one way of two': [provider(`assertion.sub == '${SOUND}' || assertion.repository_owner == 'acme'`), 'subject-missing'],
      'both ways of two': [
        provider("assertion.repository == 'acme/app' && (assertion.ref == 'refs/heads/main' || assertion.environment == 'prod')"),
      ],
      negated: [provider("assertion.repository != 'evil/app'"), 'negated', 'subject-missing'],
      'negated with !': [provider("!(assertion.repository == 'evil/app')"), 'negated', 'subject-missing'],
      'pull requests': [provider("assertion.repository == 'acme/app' && assertion.event_name == 'pull_request'"), 'pull-request'],
      'a regular expression': [provider("assertion.sub.matches('^repo:acme/.*')"), 'unread', 'subject-missing'],
      'a computed attribute': [provider("attribute.upper == 'ACME/APP'"), 'subject-missing'],
    })
  })

  test('with a condition that cannot be read says so, and where', async () => {
    for (const condition of [
      'assertion.sub == ',
      "assertion.sub = 'x'",
      '(((',
      'true',
      'size(assertion.sub) > 3',
      "assertion.sub == 'x' && !(assertion.a == 'b' && assertion.c == 'd')",
      `${'('.repeat(200)}assertion.sub == 'x'${')'.repeat(200)}`,
      `assertion.sub == '${'x'.repeat(5000)}'`,
      `(assertion.a == 'x' || assertion.b == 'y')${" && (assertion.a == 'x' || assertion.b == 'y')".repeat(10)}`,
    ]) {
      const [finding] = (await check(provider(condition))).findings
      assert.equal(finding?.rule, 'unread', condition)
      assert.equal(finding.path, 'attributeCondition')
    }
  })
})

describe('a JWT role of Vault or OpenBao', () => {
  const role = {
    role_type: 'jwt',
    user_claim: 'sub',
    bound_audiences: ['https://vault.example.test'],
    bound_claims: { sub: SOUND },
    token_policies: ['ci'],
  }
  const { bound_claims: _, ...unbound } = role

  test('is judged by what it binds', async () => {
    await expectRules({
      sound: [role],
      'bound subject': [{ ...unbound, bound_subject: SOUND }],
      'several claims': [{ ...role, bound_claims: { repository: 'acme/app', ref: ['refs/heads/main', 'refs/heads/next'] } }],
      'JSON pointers': [{ ...role, bound_claims: { '/repository': 'acme/app', '/environment': 'prod' } }],
      'a workflow': [{ ...role, bound_claims: { workflow_ref: 'acme/app/.github/workflows/x.yml@refs/heads/main' } }],
      'no bounds': [unbound, 'subject-missing'],
      'empty bounds': [{ ...role, bound_claims: null, bound_subject: '' }, 'subject-missing'],
      'no audience': [{ ...role, bound_audiences: [] }, 'audience-missing'],
      owner: [{ ...role, bound_claims: { repository_owner: 'acme' } }, 'subject-missing'],
      repository: [{ ...role, bound_claims: { repository: 'acme/app' } }, 'context-any'],
      'a reusable workflow alone': [
        { ...role, bound_claims: { job_workflow_ref: 'acme/ci/.github/workflows/x.yml@refs/heads/main' } },
        'subject-missing',
      ],
      glob: [{ ...role, bound_claims_type: 'glob', bound_claims: { sub: 'repo:acme/*' } }, 'repository-broad'],
      'glob of a repository': [
        { ...role, bound_claims_type: 'glob', bound_claims: { repository: 'acme/*', ref: 'refs/heads/main' } },
        'repository-broad',
      ],
      'glob of a ref': [
        { ...role, bound_claims_type: 'glob', bound_claims: { repository: 'acme/app', ref: 'refs/heads/*' } },
        'context-any',
      ],
      'glob of a family': [{ ...role, bound_claims_type: 'glob', bound_claims: { repository: 'acme/app', ref: 'refs/heads/release/*' } }],
      'a wildcard that is none': [{ ...role, bound_claims: { sub: 'repo:acme/*' } }, 'never-matches'],
      'a ref that is none': [{ ...role, bound_claims: { repository: 'acme/app', ref: 'main' } }, 'never-matches'],
      'pull requests': [{ ...role, bound_claims: { repository: 'acme/app', event_name: ['push', 'pull_request'] } }, 'pull-request'],
      'as it is printed': [
        { request_id: 'x', data: { ...role, bound_claims_type: 'glob', bound_claims: { sub: 'repo:*' } } },
        'repository-broad',
      ],
    })
  })
})

test('YAML is read as well', async () => {
  const { findings } = await checkTrustPolicy(
    'role.yml',
    'role_type: jwt\nbound_audiences: [x]\nbound_claims_type: glob\nbound_claims:\n  sub: repo:acme/*\n',
  )
  assert.deepEqual(
    findings.map(({ rule, at }) => [rule, at.line]),
    [['repository-broad', 5]],
  )
})

test('what is no trust policy is refused, with the place', async () => {
  for (const text of [
    '',
    '{',
    '[]',
    '{}',
    '"x"',
    '{"a": 1, "a": 2}',
    '{"name": "x", "subject": "y"}',
    `${'['.repeat(500)}${']'.repeat(500)}`,
    `"${'x'.repeat(300_000)}"`,
  ])
    await assert.rejects(
      checkTrustPolicy('f.json', text),
      (error) => error instanceof IdentityError && error.code === 'TRUST_POLICY_INVALID' && /^f\.json:\d+:\d+: /.test(error.message),
      text.slice(0, 40),
    )
})
