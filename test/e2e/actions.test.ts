// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { assertNothingLeft } from '../_host.ts'
import { commit, git, World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

describe('local actions', () => {
  test('of the composite kind get their inputs and give outputs', async () => {
    const repository = world.workflow(
      `
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - uses: actions/checkout@v4
            - { id: greet, uses: ./actions/greet, with: { who: world } }
            - run: echo "got \${{ steps.greet.outputs.text }}"
            - { uses: ./actions/nothere, continue-on-error: true }
      `,
      {
        'actions/greet/action.yml': `
          name: Greet
          description: greets
          inputs: { who: { description: whom, required: true }, greeting: { description: how, default: hello } }
          outputs: { text: { description: it, value: "\${{ steps.say.outputs.text }}" } }
          runs:
            using: composite
            steps:
              - { id: say, shell: bash, run: 'echo "text=\${{ inputs.greeting }} $WHO" >> "$GITHUB_OUTPUT"; ls "$GITHUB_ACTION_PATH"', env: { WHO: "\${{ inputs.who }}" } }
              - { shell: sh, run: 'exit 0' }`,
      },
    )
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 0, run.why)
    assert.equal(run.output('one', '3'), 'got hello world\n')
    const missing = run.events.find(({ type, step }) => type === 'step.finished' && step === '4')
    assert.match(String(missing?.data['message']), /actions\/nothere/)
  })

  test('of the JavaScript kind run pre, main and post in their order, with state and inputs', async () => {
    const stage = (name: string, more = ''): string => `
      const { appendFileSync } = require('node:fs')
      console.log('${name}', process.env.INPUT_WHO, process.env.STATE_begun ?? 'none', process.version.split('.')[0])
      ${more}
    `
    const action = (name: string): Record<string, string> => ({
      [`actions/${name}/action.yml`]: `
        name: ${name}
        description: three stages
        inputs: { who: { description: whom, default: ${name} } }
        runs: { using: node20, pre: pre.js, main: main.js, post: post.js }`,
      [`actions/${name}/pre.js`]: stage('pre', "appendFileSync(process.env.GITHUB_STATE, 'begun=yes\\n')"),
      [`actions/${name}/main.js`]: stage('main', "appendFileSync(process.env.GITHUB_OUTPUT, 'from=' + process.env.INPUT_WHO + '\\n')"),
      [`actions/${name}/post.js`]: stage('post'),
    })
    const repository = world.workflow(
      `
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - uses: actions/checkout@v4
            - { id: a, uses: ./actions/alpha }
            - { id: b, uses: ./actions/beta, with: { who: other } }
            - run: echo "\${{ steps.a.outputs.from }} \${{ steps.b.outputs.from }}"; exit 4
      `,
      { ...action('alpha'), ...action('beta') },
    )
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 1, run.why)
    const printed = readFileSync(join(world.state, 'runs', run.document.id, 'log', '1.log'), 'utf8')
    const order = printed.split('\n').flatMap((line) => /^(pre|main|post) (\w+) (\w+) v\d+$/.exec(line)?.slice(1, 4).join(' ') ?? [])
    const main = order.filter((line) => line.startsWith('main'))
    const post = order.filter((line) => line.startsWith('post'))
    assert.deepEqual(
      [main, post],
      [
        ['main alpha yes', 'main other yes'],
        ['post other yes', 'post alpha yes'],
      ],
      printed,
    )
    assert.equal(order.indexOf('post other yes') > order.indexOf('main other yes'), true)
    await assertNothingLeft(world)
  })

  test('that a workflow cannot have here are refused by name before anything starts', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - uses: octo/thing@v1
            - uses: docker://alpine
    `)
    const run = await world.run(['run'], { cwd: repository })
    assert.equal(run.exitCode, 2)
    assert.match(run.stderr, /ci\.yml:7:\d+: not supported: .*octo\/thing@v1/)
    assert.match(run.stderr, /ci\.yml:8:\d+: not supported: .*docker/)
  })
})

describe('actions/checkout', () => {
  test('gives the working tree as the user sees it, and the commit with ref:, never the user’s configuration', async () => {
    const repository = world.workflow(
      `
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - uses: actions/checkout@v4
              with: { fetch-depth: 0 }
            - run: |
                cat tracked.txt untracked.txt
                ls ignored.txt gone.txt 2>&1 | sed 's/^ls: //'
                git status --short | sort
                git log --format=%s | wc -l
                git config --get remote.origin.url || echo no remote
                git config --get user.secret || echo no secret
                ls -l link run.sh | cut -c1-10
                [ -e .git/hooks/pre-commit ] || echo no hooks
            - uses: actions/checkout@v4
              with: { ref: v1, path: old }
            - run: cat old/tracked.txt; ls old; git -C old rev-list --count HEAD
            - { uses: actions/checkout@v4, with: { ref: nosuchref, path: x }, continue-on-error: true }
            - { uses: actions/checkout@v4, with: { path: ../../../../etc }, continue-on-error: true }
      `,
      { 'tracked.txt': 'one\n', 'gone.txt': '', '.gitignore': 'ignored.txt\n', 'run.sh': '#!/bin/sh\n' },
    )
    git(repository, 'tag', 'v1')
    writeFileSync(join(repository, 'tracked.txt'), 'two\n')
    commit(repository)
    git(repository, 'config', 'remote.origin.url', 'https://user:hunter2@example.test/o/n.git')
    git(repository, 'config', 'user.secret', 'hidden')
    writeFileSync(join(repository, '.git/hooks/pre-commit'), '#!/bin/sh\n', { mode: 0o755 })
    writeFileSync(join(repository, 'tracked.txt'), 'three\n')
    writeFileSync(join(repository, 'untracked.txt'), 'new\n')
    writeFileSync(join(repository, 'ignored.txt'), 'ignored\n')
    symlinkSync('/etc/shadow', join(repository, 'link'))
    git(repository, 'rm', '-q', '--cached', 'gone.txt')
    const before = git(repository, 'status', '--short')
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 0, run.why)
    const lines = run.output('one', '2').split('\n')
    assert.deepEqual(lines, [
      'three',
      'new',
      "cannot access 'ignored.txt': No such file or directory",
      'gone.txt',
      ' M tracked.txt',
      '?? link',
      '?? untracked.txt',
      '2',
      'no remote',
      'no secret',
      'lrwxrwxrwx',
      '-rwxr-xr-x',
      'no hooks',
      '',
    ])
    assert.equal(run.output('one', '4'), 'one\ngone.txt\nrun.sh\ntracked.txt\n1\n')
    const messages = run.events.filter(({ type }) => type === 'step.finished').map(({ data }) => String(data['message']))
    assert.match(messages[4] ?? '', /nosuchref/)
    assert.match(messages[5] ?? '', /outside the workspace/)
    assert.equal(git(repository, 'status', '--short'), before)
    await assertNothingLeft(world)
  })

  test('works without a commit and without git', async () => {
    const yaml = `
      on: push
      jobs: { one: { runs-on: ubuntu-latest, steps: [{ uses: actions/checkout@v4 }, { run: cat a.txt }] } }`
    const bare = world.workflow(yaml, { 'a.txt': 'here\n' })
    git(bare, 'update-ref', '-d', 'HEAD')
    const plain = world.workflow(yaml, { 'a.txt': 'here\n' })
    rmSync(join(plain, '.git'), { recursive: true })
    for (const repository of [bare, plain]) {
      const run = await world.runJson(repository)
      assert.equal(run.exitCode, 0, run.why)
      assert.equal(run.output('one', '2'), 'here\n')
    }
  })
})

describe('the user’s tree', () => {
  test('is the same after a job that writes, deletes and commits in its copy', async () => {
    const repository = world.workflow(
      `
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - uses: actions/checkout@v4
            - run: |
                echo x > a.txt; rm b.txt; mkdir -p new/dir; chmod 777 .
                git config user.email a@b; git config user.name a; git commit -qam changed; git branch evil; git tag evil
                mkdir -p .git/hooks; echo '#!/bin/sh' > .git/hooks/post-checkout
      `,
      { 'a.txt': 'a', 'b.txt': 'b' },
    )
    const state = (): string =>
      [git(repository, 'status', '--short', '--ignored'), git(repository, 'for-each-ref'), git(repository, 'ls-files', '-s')].join('\n')
    const before = state()
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 0, run.why)
    assert.equal(state(), before)
    assert.equal(readFileSync(join(repository, 'a.txt'), 'utf8'), 'a')
  })
})
